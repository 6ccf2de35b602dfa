"""Spreads recorded costs over their leads, and books what that changes of lead values, beside the live traffic.

A cost is spread when it is told or corrected, and looked at again every hour, every day once its period is long over:
leads of its period may come later, be merged or be erased. Then each lead whose share has changed is booked, a few in
one transaction. Nothing is published, as after a changed model: the contact's next update has the new value.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.domain import bookings
from services.scoring.domain.contact.contact import ContactState
from services.scoring.jobs import booking
from services.scoring.models import InForce
from services.scoring.store import costs
from shared import log
from shared.db.turns import take_turns

_LOG = log.get(__name__)
_AT_ONCE: Final = 200  # contacts in one transaction: a live batch waits for at most one such
_LOOK_AGAIN: Final = timedelta(hours=1)
_RECENT: Final = timedelta(days=40)  # since the end of the period: afterwards its leads seldom change
_LOOK_AGAIN_LATER: Final = timedelta(days=1)
_IDLE_S: Final = 5.0


class Costing:
    """The job and its metrics."""

    def __init__(
        self, engine: AsyncEngine, models: InForce, clock: Callable[[], datetime], registry: CollectorRegistry
    ) -> None:
        """`clock` says when a cost is to be looked at again, and dates the bookings."""
        self._engine = engine
        self._models = models
        self._clock = clock
        self._started = clock()
        self._booked = Counter(
            "firsthour_leads_costed", "Contacts whose share of recorded costs has changed.", registry=registry
        )
        self._failed = Counter(
            "firsthour_leads_not_costed",
            "Contacts whose lead value could not follow their share; it stays as it is.",
            registry=registry,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until stopped, leaving half of the time to the live traffic."""
        await take_turns("costing_waits", self._turn, stopping)

    async def _turn(self) -> float | None:
        spread = await self.spread()
        return None if await self.settle() or spread else _IDLE_S

    async def spread(self) -> bool:
        """Spread the next cost; whether there was one. After a start, when rates may have changed, all are."""
        now = self._clock()
        async with self._engine.begin() as conn:
            await self._models.refresh(conn)
            cost = await costs.following(
                conn,
                max(self._started, now - _LOOK_AGAIN),
                recent=now - _RECENT,
                long_before=max(self._started, now - _LOOK_AGAIN_LATER),
            )
            if cost is None:
                return False
            rates = self._models.model.pricing.rates
            amount = rates.in_base(cost.amount, cost.currency, cost.told_at.date())
            leads = await costs.spread(conn, cost, None if amount is None else max(0, amount), now)
        if amount is None:
            _LOG.warning("amount_unconverted", event_id=str(cost.event_id), currency=cost.currency)
        _LOG.debug("cost_spread", event_id=str(cost.event_id), leads=leads)
        return True

    async def settle(self, limit: int = _AT_ONCE) -> bool:
        """Book some changed shares; whether more may be due."""
        async with self._engine.begin() as conn:
            await self._models.refresh(conn)
            due = await costs.take_due(conn, self._models.model.version, limit)
            if due.states:
                await self._book(conn, due.states)
        return bool(due.states) and due.asked == limit

    async def _book(self, conn: AsyncConnection, states: list[ContactState]) -> None:
        model, now = self._models.model, self._clock()
        shares = await costs.shares(conn, [state.id for state in states])
        moved = list(
            booking.each_valued(
                (state for state in states if shares.get(state.id) != state.cost),
                lambda state: bookings.costed(state, shares.get(state.id), model),
                failed=self._failed,
                event="contact_not_costed",
            )
        )
        await booking.write(conn, moved, now, moves_the_queue=False)
        self._booked.inc(len(moved))
