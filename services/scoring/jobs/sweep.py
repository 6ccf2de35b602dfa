"""Once a day, books what the passing of time changes of the values, beside the live traffic.

A contact that reaches another tier gets an event, `contact.aged`, whose fold updates its values, so that nurture hears
of it as usual. All others are booked here, silently.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.domain import bookings
from services.scoring.domain.contact.contact import ContactState
from services.scoring.facts import FactMaker
from services.scoring.jobs import booking
from services.scoring.models import InForce
from services.scoring.store.contacts import sweep
from services.scoring.store.contacts.sweep import Place
from shared import log
from shared.db.tables import facts as outbox
from shared.db.turns import take_turns
from shared.events.identity import Identity
from shared.events.types import ContactAged

_LOG = log.get(__name__)
_AT_ONCE: Final = 500  # contacts in one transaction: a live batch waits for at most one such
_LOOK_AGAIN_S: Final = 60.0


class Sweeping:
    """The job and its metrics."""

    def __init__(
        self,
        engine: AsyncEngine,
        models: InForce,
        facts: FactMaker,
        clock: Callable[[], datetime],
        registry: CollectorRegistry,
    ) -> None:
        """`clock` says which day it is, in UTC."""
        self._engine = engine
        self._models = models
        self._facts = facts
        self._clock = clock
        self._seen = Counter(
            "firsthour_contacts_swept", "Contacts whose values the daily sweep looked at.", registry=registry
        )
        self._failed = Counter(
            "firsthour_contacts_not_swept", "Contacts that the daily sweep could not value.", registry=registry
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until stopped, leaving half of the time to the live traffic."""
        await take_turns("sweep_waits", self._turn, stopping)

    async def _turn(self) -> float | None:
        return None if await self.step() else _LOOK_AGAIN_S

    async def step(self, at_once: int = _AT_ONCE) -> bool:
        """Sweep some contacts; return whether there are more today. Progress is stored: a crash costs one step."""
        now = self._clock()
        async with self._engine.begin() as conn:
            await self._models.refresh(conn)
            place = await sweep.place(conn, now.date())
            if place is None or place.done:
                return False
            customers = self._models.model.learnt.customer is not None
            ids = await sweep.following(conn, place.after, at_once, customers=customers)
            if ids:
                await self._sweep(conn, await sweep.lock(conn, ids), now)
            done = len(ids) < at_once
            await sweep.move(conn, now.date(), Place(ids[-1] if ids else place.after, done))
        self._seen.inc(len(ids))
        if done:
            _LOG.info("swept", day=str(now.date()))
        return not done

    async def _sweep(self, conn: AsyncConnection, states: Sequence[ContactState], now: datetime) -> None:
        model = self._models.model
        moved: list[booking.Moved] = []
        facts: list[outbox.Fact] = []
        for each in booking.each_valued(
            (state for state in states if state.model == model.version),  # others are re-valued first
            lambda state: bookings.aged(state, model, now.timestamp()),
            failed=self._failed,
            event="contact_not_swept",
        ):
            if each.after.tier != each.before.tier:
                identity = Identity(contact_id=each.after.id)
                data = ContactAged(identity=identity, tier=each.after.tier or None)
                facts.append(self._facts.about(each.after.id, "contact.aged", data, now, "bulk"))
            elif each.bookings or _standing(each.after) != _standing(each.before):
                moved.append(each)
        await booking.write(conn, moved, now, moves_the_queue=True)
        await outbox.insert(conn, facts)


def _standing(state: ContactState) -> tuple[str, int | None, float | None]:
    """What time may change besides the values: its RFM cell, and where it waits in the queue."""
    return state.rfm, state.worth, state.since
