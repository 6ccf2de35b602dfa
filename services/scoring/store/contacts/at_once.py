"""Writes a small batch by one statement: a round trip costs more than a few rows.

Large batches use the statements of `batch`, one after the other, which COPY; both write the same.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
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

MOST_EVENTS: Final = 16
_EVENTS: Final[Rows[EventRow]] = Rows(tables.events, by_name(EventRow), "event_")
_UPDATES: Final[Rows[UpdateRow]] = Rows(tables.updates, by_name(UpdateRow), "update_")
_BOOKINGS: Final[Rows[BookingRow]] = Rows(tables.bookings, by_name(BookingRow), "booking_")
_WRITE: Final = Statement(f"""
    WITH made AS ({batch.INSERTED_CONTACTS}),
        changed AS ({batch.UPDATED_CONTACTS}),
        claimed AS ({batch.INSERTED_IDENTITIES} RETURNING 1),
        told AS ({_EVENTS.inserted()}),
        published AS ({batch.FORGOTTEN_UPDATES.format(prefix="update")}),
        unpublished AS ({_UPDATES.inserted()}),
        booked AS ({_BOOKINGS.inserted()}),
        watched AS ({watched.NOTED}),
        {funnel.ADDED}
    SELECT count(*) FROM claimed
""")  # noqa: S608 - names of ours


async def write(
    conn: AsyncConnection,
    now: datetime,
    *,
    inserts: Sequence[ContactState],
    changes: Sequence[ContactState],
    told: Collection[UUID],
    keys: Mapping[str, UUID],
    events: Sequence[EventRow],
    updates: Sequence[UpdateRow],
    bookings: Sequence[BookingRow],
    moves: Moves,
    moves_the_queue: bool,
) -> None:
    """Write everything. Raises Transient when another process folded one of the events, or took one of the keys."""
    arrays = {
        **batch.new_contacts(inserts, now),
        **batch.old_contacts(changes, now, told),
        **batch.names(keys),
        **_EVENTS.arrays(events),
        **_UPDATES.arrays(updates),
        **_BOOKINGS.arrays(bookings),
        **watched.noted([state.id for state in (*inserts, *changes)], queue=moves_the_queue),
        **funnel.arrays(moves),
    }
    try:
        ((claimed,),) = await _WRITE.rows(conn, arrays)
    except asyncpg.UniqueViolationError as error:
        raise batch.folded_elsewhere() from error
    batch.all_ours(claimed, keys)
