"""Values every contact by the model in force, in the background, beside the live traffic.

A contact valued by another model is due; each transaction takes a few, so it continues after a crash, and several
processes share the work. The differences are booked to the factor `model`. Nothing is published: no workflow watches
a value by itself, and the contact's next update brings it.

The queue's settings are in no value, so a change of them re-values nobody. Where a source was given a response curve
of its own, or lost it, its waiting leads are placed by it once, at the start.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.consume.refold import refold
from services.scoring.domain import bookings
from services.scoring.domain.contact.contact import FORM, ContactState
from services.scoring.domain.customer import pricing
from services.scoring.domain.funnel import places
from services.scoring.domain.model.model import Model
from services.scoring.domain.model.queue_settings import OF_CUSTOMERS
from services.scoring.domain.values import counted
from services.scoring.models import InForce
from services.scoring.store import changes as watched
from services.scoring.store import funnel
from services.scoring.store import orders as order_store
from services.scoring.store.contacts import batch as store
from services.scoring.store.contacts import due
from services.scoring.store.contacts.batch import BookingRow
from shared import log
from shared.db.transient import is_transient, suppress_unless_transient
from shared.db.turns import take_turns

_LOG = log.get(__name__)
_AT_ONCE: Final = 200  # contacts in one transaction: a live batch waits for at most one such
_LOOK_AGAIN_S: Final = 10.0


class Revaluing:
    """The job and its metrics."""

    def __init__(
        self,
        engine: AsyncEngine,
        models: InForce,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        registry: CollectorRegistry,
    ) -> None:
        """`clock` and `new_id` give each booking its time and the id it has in place of an event's."""
        self._engine = engine
        self._models = models
        self._clock = clock
        self._new_id = new_id
        self._parked: set[UUID] = set()
        self._placed = False
        self._revalued = Counter(
            "firsthour_contacts_revalued", "Contacts that were valued by a changed model.", registry=registry
        )
        self._failed = Counter(
            "firsthour_contacts_not_revalued",
            "Contacts that a changed model could not value; their values stay as they are.",
            registry=registry,
        )

    @property
    def _model(self) -> Model:
        return self._models.model

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until stopped, leaving half of the time to the live traffic."""
        await take_turns("revaluing_waits", self._turn, stopping)

    async def _turn(self) -> float | None:
        if not self._placed:
            self._placed = not await self.place()
            return None
        return None if await self.step() or await self._any_due() else _LOOK_AGAIN_S

    async def step(self) -> int:
        """Value some due contacts; return how many. One that cannot be valued is parked, and the others go on."""
        with suppress_unless_transient():
            return await self._transact(_AT_ONCE)
        return await self._one_by_one()

    async def place(self) -> int:
        """Place some leads that wait by another response curve than their source has; how many."""
        async with self._engine.begin() as conn:
            for placed in await due.curves(conn):
                if placed.curve == OF_CUSTOMERS:
                    continue
                curve = self._model.queue.curve_of(placed.source)
                states = [] if curve == placed.curve else await due.lock_placed(conn, placed, _AT_ONCE)
                if states:
                    moved = [msgspec.structs.replace(state, curve=curve) for state in states]
                    await store.update_contacts(conn, moved, self._clock(), told=())
                    await watched.note(conn, [state.id for state in moved], queue=True)
                    return len(moved)
        return 0

    async def _one_by_one(self) -> int:
        done = 0
        for _ in range(_AT_ONCE):
            try:
                one = await self._transact(1)
            except _Failed as failure:
                self._parked.add(failure.contact_id)
                self._failed.inc()
                _LOG.error("contact_not_revalued", contact_id=str(failure.contact_id), error=failure.error)
                one = 1
            if not one:
                break
            done += one
        return done

    async def _any_due(self) -> bool:
        async with self._engine.connect() as conn:
            await self._models.refresh(conn)
            return await due.any_due(conn, self._model.version, but=self._parked)

    async def _transact(self, limit: int) -> int:
        async with self._engine.begin() as conn:
            await self._models.refresh(conn)
            states, unreadable = await due.lock_due(conn, self._model.version, limit, but=self._parked)
            try:
                if states:
                    await self._revalue(conn, states)
            except Exception as error:
                if is_transient(error) or len(states) > 1:
                    raise
                raise _Failed(states[0].id, type(error).__name__) from error
        self._parked |= unreadable
        self._failed.inc(len(unreadable))
        self._revalued.inc(len(states))
        return len(states) + len(unreadable)

    async def _revalue(self, conn: AsyncConnection, states: Sequence[ContactState]) -> None:
        now, before = self._clock(), {state.id: state for state in states}
        facts = await self._facts(conn, {state.id: state for state in states})
        valued, booked = [], []
        for state in facts:
            new, changes = bookings.revalue(state, self._model)
            valued.append(new)
            booking_id = self._new_id()
            booked += [
                BookingRow(state.id, booking_id, line, b.account, b.factor, b.amount, b.model, now)
                for line, b in enumerate(changes)
            ]
        await store.update_contacts(conn, valued, now)
        if booked:
            await store.insert_bookings(conn, booked)
        await watched.note(conn, [state.id for state in valued], queue=any(each.worth is not None for each in valued))
        # Last, as every batch changes the same few rows.
        await funnel.add(conn, places.moved((before[state.id], state) for state in valued))

    async def _facts(self, conn: AsyncConnection, states: dict[UUID, ContactState]) -> list[ContactState]:
        """The contacts as the model needs them: counted with its half-lives, their orders priced by it."""
        again = {i: s for i, s in states.items() if s.form < FORM or not counted(s, self._model)}
        if again:
            old = {contact_id for contact_id, state in again.items() if state.form < FORM}
            refolding = await refold(conn, again, self._model)
            states |= {i: each.whole if i in old else each.counted for i, each in refolding.items()}
            orders = {i: refolding[i].orders for i in old if refolding[i].orders}
            if orders:
                await order_store.write(conn, orders)
        unpriced = [i for i, state in states.items() if state.priced not in ("", self._model.pricing.version)]
        if unpriced:
            found = await order_store.of_contacts(conn, unpriced)
            states |= {i: pricing.all_of(states[i], found.get(i, {}).values(), self._model) for i in unpriced}
        return list(states.values())


class _Failed(Exception):  # noqa: N818 - reads as what happened; never leaves this module
    """One contact that cannot be valued."""

    def __init__(self, contact_id: UUID, error: str) -> None:
        super().__init__(error)
        self.contact_id = contact_id
        self.error = error
