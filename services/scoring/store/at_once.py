"""A small batch written by one statement: a round trip costs more than the few rows in it.

What it writes is what the statements of `batch` write one after the other, which large batches use: they COPY.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact import ContactState
from services.scoring.store import batch
from services.scoring.store import changes as watched
from services.scoring.store.batch import BookingRow, EventRow, UpdateRow, inserted
from shared.db.statement import Statement

MOST_EVENTS: Final = 16
_EVENT: Final = {
    "id": "uuid", "contact_id": "uuid", "type": "text", "time": "timestamptz", "topic": "text", "partition": "int",
    "offset": "bigint", "body": "bytea",
}  # fmt: skip
_UPDATE: Final = {"topic": "text", "partition": "int", "offset": "bigint", "body": "bytea"}
_BOOKING: Final = {
    "contact_id": "uuid", "event_id": "uuid", "line": "smallint", "account": "text", "factor": "text",
    "amount": "bigint", "model": "text", "time": "timestamptz",
}  # fmt: skip
_WRITE: Final = Statement(f"""
    WITH made AS ({batch.INSERTED_CONTACTS}),
        changed AS ({batch.UPDATED_CONTACTS}),
        claimed AS ({batch.INSERTED_IDENTITIES} RETURNING 1),
        told AS ({inserted("events", _EVENT, "event")}),
        published AS ({batch.FORGOTTEN_UPDATES.format(prefix="update")}),
        unpublished AS ({inserted("updates", _UPDATE, "update")}),
        booked AS ({inserted("bookings", _BOOKING, "booking")}),
        watched AS ({watched.NOTED})
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
    moves_the_queue: bool,
) -> None:
    """Write all of it. Raises Transient when another process folds one of the events, or had one of the keys before."""
    arrays = {
        **batch.columns("new", inserts, now),
        **batch.columns("old", changes, now, told),
        **batch.names(keys),
        **_arrays("event", _EVENT, events),
        **_arrays("update", _UPDATE, updates),
        **_arrays("booking", _BOOKING, bookings),
        **watched.noted([state.id for state in (*inserts, *changes)], queue=moves_the_queue),
    }
    try:
        ((claimed,),) = await _WRITE.rows(conn, arrays)
    except asyncpg.UniqueViolationError as error:
        raise batch.folded_elsewhere() from error
    batch.all_ours(claimed, keys)


def _arrays(prefix: str, types: Mapping[str, str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Sequence[Any]]:
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(types)
    return {f"{prefix}_{name}": column for name, column in zip(types, columns, strict=True)}
