"""Takes away what a machine did, in one transaction: facts are folded anew, and bookings are reversed as `machine`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain import bookings
from services.scoring.domain.contact.machine import judged
from services.scoring.domain.funnel import places
from services.scoring.domain.model.model import Model
from services.scoring.domain.values import current
from services.scoring.store import changes, costs, funnel
from services.scoring.store.contacts import batch, history, split
from services.scoring.store.contacts.batch import BookingRow
from shared.db.tables import audit
from shared.errors import FirsthourError, Permanent
from shared.events.envelope import Decoded, decode
from shared.tokens import Actor

_FACTOR: Final = "machine"


class CannotJudge(FirsthourError):  # noqa: N818 - reads as what happened
    """The contact cannot be judged now; the message says why. Nothing has changed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The contact, and what changed of its values, in base minor units."""

    contact: UUID
    lead: int
    customer: int


@dataclass(frozen=True, slots=True)
class Judging:
    """What is needed for it."""

    model: Model
    new_id: Callable[[], UUID]

    async def judge(
        self, conn: AsyncConnection, contact_id: UUID, now: datetime, by: Actor, *, machine: bool
    ) -> Judged:
        """Judge it a machine or a person. Raises CannotJudge."""
        merged_into, before = (await split.lock(conn, [contact_id]))[contact_id]
        if merged_into is not None:
            raise CannotJudge("it has just been merged into another contact")
        if before.model != self.model.version or not current(before, self.model):
            raise CannotJudge("it waits for the model in force; try again in a moment")
        events = [each async for _, body in history.of_contacts(conn, [contact_id]) for each in _read(body)]
        facts = judged(before, events, now.timestamp() if machine else None, self.model)
        after, made = bookings.revalue(facts, self.model)
        await batch.update_contacts(conn, [after], now)
        await costs.due_again(conn, [contact_id])
        booking_id = self.new_id()
        rows = [
            BookingRow(contact_id, booking_id, line, each.account, _FACTOR, each.amount, each.model, now)
            for line, each in enumerate(made)
        ]
        if rows:
            await batch.insert_bookings(conn, rows)
        await changes.note(conn, [contact_id], queue=True)
        await audit.note(conn, self.new_id(), now, by, "machine" if machine else "person", contact=contact_id)
        await funnel.add(conn, places.moved([(before, after)]))
        return Judged(contact_id, after.lead - before.lead, after.customer - before.customer)


def _read(body: bytes) -> list[Decoded]:
    try:
        return [decode(body)]
    except Permanent:  # it was folded under rules that have become stricter since
        return []
