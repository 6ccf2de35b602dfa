"""Writes a small batch by one statement: a round trip costs more than a few rows.

Large batches use the statements of `batch`, one after the other, which COPY; both write the same. Where contacts were
not even locked, ALONE writes only if they are still what was seen of them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import tables
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.funnel.places import Moves
from services.scoring.store import changes as watched
from services.scoring.store import funnel
from services.scoring.store.contacts import batch
from services.scoring.store.contacts.batch import BookingRow, EventRow, UpdateRow
from shared.db.arrays import Rows, by_name
from shared.db.statement import Statement
from shared.db.tables.offsets import with_offsets

MOST_EVENTS: Final = 16
_EVENTS: Final[Rows[EventRow]] = Rows(tables.events, by_name(EventRow), "event_")
_UPDATES: Final[Rows[UpdateRow]] = Rows(tables.updates, by_name(UpdateRow), "update_")
_BOOKINGS: Final[Rows[BookingRow]] = Rows(tables.bookings, by_name(BookingRow), "booking_")


def _all(changed: str) -> str:
    """The parts of the statement. `changed`: what changes the contacts that are stored."""
    return f"""
        made AS ({batch.INSERTED_CONTACTS}),
        changed AS ({changed}),
        claimed AS ({batch.INSERTED_IDENTITIES} RETURNING 1),
        told AS ({_EVENTS.inserted()}),
        published AS ({batch.FORGOTTEN_UPDATES.format(prefix="update")}),
        unpublished AS ({_UPDATES.inserted()}),
        booked AS ({_BOOKINGS.inserted()}),
        watched AS ({watched.NOTED}),
        {funnel.ADDED}
    """


_WRITE: Final = Statement(f"WITH {_all(batch.UPDATED_CONTACTS)} SELECT count(*) FROM claimed")  # noqa: S608 - names of ours
ALONE: Final = with_offsets(
    _all(f"{batch.UPDATED_AS_SEEN} RETURNING 1"),
    holds="""
        (SELECT count(*) FROM claimed) = cardinality(CAST(:named_key AS text[]))
        AND (SELECT count(*) FROM changed) = cardinality(CAST(:old_id AS uuid[]))
    """,
)


class Small(NamedTuple):
    """All that a small batch writes. `told`: the changed contacts of whom something new was said."""

    now: datetime
    inserts: Sequence[ContactState]
    changes: Sequence[ContactState]
    told: Collection[UUID]
    keys: Mapping[str, UUID]
    events: Sequence[EventRow]
    updates: Sequence[UpdateRow]
    bookings: Sequence[BookingRow]
    moves: Moves
    moves_the_queue: bool


async def write(conn: AsyncConnection, small: Small) -> None:
    """Write everything about locked contacts.

    Raises Transient when another process folded one of the events, or took one of the keys.
    """
    changes = batch.old_contacts(small.changes, small.now, small.told)
    try:
        ((claimed,),) = await _WRITE.rows(conn, _arrays(small) | changes)
    except asyncpg.UniqueViolationError as error:
        raise batch.folded_elsewhere() from error
    batch.all_ours(claimed, small.keys)


def alone(small: Small, rows: Mapping[UUID, str]) -> dict[str, Any]:
    """The values of ALONE, which writes everything with the offsets. `rows`: as which each contact was seen."""
    return _arrays(small) | batch.seen_contacts(small.changes, small.now, small.told, rows)


def _arrays(small: Small) -> dict[str, Any]:
    """All but those of changed contacts."""
    return {
        **batch.new_contacts(small.inserts, small.now),
        **batch.names(small.keys),
        **_EVENTS.arrays(small.events),
        **_UPDATES.arrays(small.updates),
        **_BOOKINGS.arrays(small.bookings),
        **watched.noted([state.id for state in (*small.inserts, *small.changes)], queue=small.moves_the_queue),
        **funnel.arrays(small.moves),
    }
