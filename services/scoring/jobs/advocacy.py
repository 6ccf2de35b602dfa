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
from services.scoring.domain.funnel import places
from services.scoring.models import InForce
from services.scoring.store import changes, funnel, referrals
from services.scoring.store.contacts import batch as store
from services.scoring.store.contacts import sweep
from services.scoring.store.contacts.batch import BookingRow
from services.scoring.store.referrals import Brought
from shared import log
from shared.db.turns import take_turns
from shared.money import MAX_MINOR

_LOG = log.get(__name__)
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
        margins = margin_brought(await referrals.brought(conn, [state.id for state in states]))
        moved: list[tuple[ContactState, ContactState]] = []
        booked: list[BookingRow] = []
        for state in states:
            margin = margins.get(state.id, 0)
            if margin == state.referred or state.model != model.version:  # due to be re-valued first
                continue
            try:
                valued, made = bookings.advocated(state, margin, model)
            except Exception as error:  # noqa: BLE001 - its neighbours go on
                self._failed.inc()
                _LOG.error("contact_not_credited", contact_id=str(state.id), error=type(error).__name__)
                continue
            moved.append((state, valued))
            booked += [
                BookingRow(state.id, state.id, sweep.REFERRAL, b.account, b.factor, b.amount, b.model, now)
                for b in made
            ]
        if not moved:
            return
        await store.update_contacts(conn, [after for _, after in moved], now, told=())
        if booked:
            await sweep.book(conn, booked)
        await changes.note(conn, [after.id for _, after in moved], queue=False)
        await funnel.add(conn, places.moved(moved))  # last, as every batch changes the same few rows
        self._credited.inc(len(moved))


def margin_brought(found: Sequence[Brought]) -> dict[UUID, int]:
    """What those brought who had not bought before they were referred, each once, in base minor units."""
    seen: set[tuple[UUID, UUID]] = set()
    margins: dict[UUID, int] = {}
    for by, at, state in found:
        bought = state.journey.bought if state.journey is not None else ()
        if not bought or bought[0] < at.timestamp() or (by, state.id) in seen:
            continue
        seen.add((by, state.id))
        margins[by] = min(MAX_MINOR, margins.get(by, 0) + max(0, state.past))
    return margins
