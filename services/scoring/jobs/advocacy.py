"""Credits contacts with the margin of those they referred who bought since, beside the live traffic.

Every hour all referrals are looked at, a few contacts in one transaction, and what has changed is booked as `referral`.
Nothing is published, as after a changed model: the contact's next update has the new value.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.domain import bookings
from services.scoring.domain.contact.contact import ContactState
from services.scoring.jobs import booking
from services.scoring.models import InForce
from services.scoring.store import referrals
from services.scoring.store.contacts import sweep
from shared.db.turns import take_turns

_AT_ONCE: Final = 200  # contacts in one transaction: a live batch waits for at most one such
_LOOK_AGAIN: Final = timedelta(hours=1)
_IDLE_S: Final = 30.0
_NIL: Final = UUID(int=0)


class Crediting:
    """The job and its metrics."""

    def __init__(
        self, engine: AsyncEngine, models: InForce, clock: Callable[[], datetime], registry: CollectorRegistry
    ) -> None:
        """`clock` says when it is time to look again, and dates the bookings."""
        self._engine = engine
        self._models = models
        self._clock = clock
        self._after = _NIL
        self._next = clock()
        self._credited = Counter(
            "firsthour_referrers_credited", "Contacts whose credit for referrals has changed.", registry=registry
        )
        self._failed = Counter(
            "firsthour_referrers_not_credited",
            "Contacts whose value could not follow what their referrals brought; it stays as it is.",
            registry=registry,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until stopped, leaving half of the time to the live traffic."""
        await take_turns("crediting_waits", self._turn, stopping)

    async def _turn(self) -> float | None:
        if self._clock() < self._next:
            return _IDLE_S
        return None if await self.step() else _IDLE_S

    async def step(self, at_once: int = _AT_ONCE) -> bool:
        """Look at some contacts; whether there are more."""
        async with self._engine.begin() as conn:
            await self._models.refresh(conn)
            ids = await referrals.following(conn, self._after, at_once)
            if ids:
                await self._credit(conn, await sweep.lock(conn, ids))
        more = len(ids) == at_once
        self._after = ids[-1] if more else _NIL
        if not more:
            self._next = self._clock() + _LOOK_AGAIN
        return more

    async def _credit(self, conn: AsyncConnection, states: Sequence[ContactState]) -> None:
        model, now = self._models.model, self._clock()
        margins = await referrals.margins(conn, [state.id for state in states])
        moved = list(
            booking.each_valued(
                # One of another version is due to be re-valued first.
                (s for s in states if margins.get(s.id, 0) != s.referred and s.model == model.version),
                lambda state: bookings.advocated(state, margins.get(state.id, 0), model),
                failed=self._failed,
                event="contact_not_credited",
            )
        )
        await booking.write(conn, moved, now, moves_the_queue=False)
        self._credited.inc(len(moved))
