"""Once a day, books what the passing of time changes of the values, beside the live traffic.

A contact that reaches another tier gets an event, `contact.aged`, whose fold updates its values, so that nurture hears
of it as usual. All others are booked here, silently.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.domain import bookings
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.model.model import Model
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
_SIDE_BY_SIDE: Final = 2  # transactions; while one waits for Postgres, the other computes
_AT_ONCE: Final = 1000  # contacts, in all of them: a live batch waits for at most one of its own
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
        """Sweep some contacts; return whether there are more today.

        Progress is stored once they are: after a crash they are swept again, which changes nothing.
        """
        now = self._clock()
        async with self._engine.begin() as conn:
            await self._models.refresh(conn)
            place = await sweep.place(conn, now.date())
            if place is None or place.done:
                return False
            model = self._models.model
            ids = await sweep.following(conn, place.after, at_once, customers=model.learnt.customer is not None)
            await self._sweep_all(ids, model, now)
            done = len(ids) < at_once
            await sweep.move(conn, now.date(), Place(ids[-1] if ids else place.after, done))
        self._seen.inc(len(ids))
        if done:
            _LOG.info("swept", day=str(now.date()))
        return not done

    async def _sweep_all(self, ids: Sequence[UUID], model: Model, now: datetime) -> None:
        each = -(-len(ids) // _SIDE_BY_SIDE)
        parts = [ids[begin : begin + each] for begin in range(0, len(ids), each or 1)]
        ended = await asyncio.gather(*[self._sweep(part, model, now) for part in parts], return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _sweep(self, ids: Sequence[UUID], model: Model, now: datetime) -> None:
        moved: list[booking.Moved] = []
        facts: list[outbox.Fact] = []
        async with self._engine.begin() as conn:
            for each in booking.each_valued(
                # Others are re-valued first.
                (state for state in await sweep.lock(conn, ids) if state.model == model.version),
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
