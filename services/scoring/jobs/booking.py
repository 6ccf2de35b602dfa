"""Shared by the jobs that book without an event: who cannot be valued stops no other, and what is written."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.funnel import places
from services.scoring.store import changes, funnel
from services.scoring.store.contacts import batch as store
from services.scoring.store.contacts import sweep
from services.scoring.store.contacts.batch import BookingRow
from shared import log
from shared.events.updates import Booking

_LOG = log.get(__name__)
Valued: TypeAlias = tuple[ContactState, list[Booking]]
_LINES: Final = {
    ("time", "lead"): 0,
    ("time", "customer"): 1,
    ("cost", "lead"): 2,
    ("referral", "customer"): 3,
    ("model", "lead"): 4,
}
"""The line of each factor's one booking of an account, which all later ones are added to. Must never change."""


class Moved(NamedTuple):
    """A contact before and after, with the bookings of the difference."""

    before: ContactState
    after: ContactState
    bookings: list[Booking]


def each_valued(
    states: Iterable[ContactState], value: Callable[[ContactState], Valued], *, failed: Counter, event: str
) -> Iterator[Moved]:
    """Value each; one that cannot be valued is counted, logged as this event, and left as it is."""
    for state in states:
        try:
            after, booked = value(state)
        except Exception as error:  # noqa: BLE001 - its neighbours go on
            failed.inc()
            _LOG.error(event, contact_id=str(state.id), error=type(error).__name__)
            continue
        yield Moved(state, after, booked)


async def write(conn: AsyncConnection, moved: Sequence[Moved], now: datetime, *, moves_the_queue: bool) -> None:
    """Write these locked contacts, with their bookings as of `now`."""
    if not moved:
        return
    await store.update_contacts(conn, [each.after for each in moved], now, told=())
    await sweep.book(
        conn,
        [
            BookingRow(
                each.after.id, each.after.id, _LINES[b.factor, b.account], b.account, b.factor, b.amount, b.model, now
            )
            for each in moved
            for b in each.bookings
        ],
    )
    await changes.note(conn, [each.after.id for each in moved], queue=moves_the_queue)
    # Last, as every batch changes the same few rows.
    await funnel.add(conn, places.moved((each.before, each.after) for each in moved))
