"""Undoes a merge in one transaction: events, keys, orders, bookings and values are split, and nurture is told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain import bookings
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.customer.advocacy import referred
from services.scoring.domain.funnel import places
from services.scoring.domain.identity.parting import Person, part
from services.scoring.domain.interests import bought_in
from services.scoring.domain.model.model import Model
from services.scoring.domain.trust import happened
from services.scoring.facts import FactMaker
from services.scoring.store import bought, changes, costs, funnel, referrals
from services.scoring.store import orders as order_store
from services.scoring.store.contacts import batch, history, split
from services.scoring.store.contacts.batch import BookingRow
from services.scoring.store.referrals import Note
from shared.db.tables import audit
from shared.db.tables import facts as outbox
from shared.errors import FirsthourError, Permanent
from shared.events.envelope import Decoded, decode
from shared.events.identity import Identity
from shared.events.types import ContactParted
from shared.events.updates import Booking
from shared.tokens import Actor

_FACTOR = "split"


class CannotSplit(FirsthourError):  # noqa: N818 - reads as what happened
    """The merge cannot be undone; the message says why."""


@dataclass(frozen=True, slots=True)
class Split:
    """The two contacts, and how many events went back to the one that was merged away."""

    survivor: UUID
    loser: UUID
    events: int


@dataclass(frozen=True, slots=True)
class Splitting:
    """What is needed for it."""

    model: Model
    facts: FactMaker
    new_id: Callable[[], UUID]

    async def split(self, conn: AsyncConnection, survivor_id: UUID, loser_id: UUID, now: datetime, by: Actor) -> Split:
        """Split these two. Raises CannotSplit, having changed nothing."""
        found = await split.lock(conn, [survivor_id, loser_id])
        if loser_id not in found or found[loser_id][0] != survivor_id or found[survivor_id][0] is not None:
            raise CannotSplit("these two are not one contact, or no longer as they were looked up")
        before = await split.of(conn, loser_id)
        if before is None:
            raise CannotSplit("they were merged by an older version, which did not keep what was whose")
        if await split.is_summed_up(conn, survivor_id):
            raise CannotSplit("events of theirs are no longer stored, so nobody can tell what is whose")
        (_, loser), (_, survivor) = found[loser_id], found[survivor_id]
        events = await _events(conn, survivor_id)
        parted = part(loser, survivor, events, set(before[0]), set(before[1]), self.model)
        await split.give_back(conn, loser_id, survivor_id, parted.theirs, before[1])
        theirs = set(parted.theirs)
        things = {
            (loser_id if event.id in theirs else survivor_id, item)
            for event, data in events
            for item in bought_in(event, data)
        }
        await self._write(conn, survivor, [parted.loser, parted.survivor], now)
        await bought.again(conn, [survivor_id], things)  # after the funnel, as a batch locks them
        named = [
            Note(key, loser_id if event.id in theirs else survivor_id, happened(event))
            for event, data in events
            for key in referred(event, data)
        ]
        await referrals.again(conn, [survivor_id], named)
        told = [
            self.facts.about(one, "contact.parted", ContactParted(identity=Identity(contact_id=one), other=other), now)
            for one, other in ((loser_id, survivor_id), (survivor_id, loser_id))
        ]
        await outbox.insert(conn, told)
        await changes.note(conn, [survivor_id, loser_id], queue=True)
        await costs.due_again(conn, [survivor_id, loser_id])
        await audit.note(conn, self.new_id(), now, by, "split", contact=survivor_id, subject=str(loser_id))
        return Split(survivor_id, loser_id, len(parted.theirs))

    async def _write(self, conn: AsyncConnection, one: ContactState, people: list[Person], now: datetime) -> None:
        """`one`: both as one contact."""
        sums = await split.sums(conn, [each.state.id for each in people])
        states, booked = [], []
        for person in people:
            state = msgspec.structs.replace(
                person.state,
                lead=sums.get((person.state.id, "lead"), 0),
                customer=sums.get((person.state.id, "customer"), 0),
            )
            valued, made = bookings.revalue(state, self.model)
            states.append(valued)
            booking_id = self.new_id()
            booked += [_row(valued, booking_id, line, each, now) for line, each in enumerate(made)]
        await batch.update_contacts(conn, states, now)
        await funnel.add(conn, places.moved([(one, None), *((None, state) for state in states)]))
        if orders := {each.state.id: each.orders for each in people if each.orders}:
            await order_store.write(conn, orders)
        if booked:
            await batch.insert_bookings(conn, booked)


def _row(state: ContactState, booking_id: UUID, line: int, booking: Booking, now: datetime) -> BookingRow:
    return BookingRow(
        state.id, booking_id, line, booking.account, _FACTOR, booking.amount, booking.model, now
    )  # fmt: skip


async def _events(conn: AsyncConnection, contact_id: UUID) -> list[Decoded]:
    found = []
    async for _, body in history.of_contacts(conn, [contact_id]):
        try:
            found.append(decode(body))
        except Permanent:  # it was folded under rules that have become stricter since
            continue
    return found
