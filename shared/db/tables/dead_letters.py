"""Dead letters as rows, stored in the transaction that moves the offset past them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.arrays import Rows, by_name
from shared.db.named import named
from shared.db.retention import Drop
from shared.db.tables.offset_tables import DEAD_LETTERS
from shared.db.tables.offsets import TopicPartition


class DeadLetterRow(NamedTuple):
    """A dead letter as stored: the original bytes and everything known about the failure."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    kind: str
    error_class: str
    reason: str
    source: str
    attempt: int
    failed_at: datetime
    first_failed_at: datetime


_ROWS: Final[Rows[DeadLetterRow]] = Rows(DEAD_LETTERS, by_name(DeadLetterRow))
_INSERT = sa.text(f"{_ROWS.inserted()} ON CONFLICT DO NOTHING")
_READ = sa.text(f"""
    SELECT {_ROWS.columns} FROM dead_letters
    WHERE topic = :topic AND partition = :partition AND "offset" >= :first AND "offset" < :end
    ORDER BY "offset"
""")  # noqa: S608 - names of columns, no input
_REDRIVEN = sa.text('SELECT topic, partition, "offset", redriven_at FROM dead_letters WHERE redriven_at IS NOT NULL')
_WAITING = sa.text("SELECT count(*), max(failed_at) FROM dead_letters WHERE redriven_at IS NULL")
_LOCK = sa.text("""
    SELECT redriven_at FROM dead_letters WHERE topic = :topic AND partition = :partition AND "offset" = :offset
    FOR UPDATE
""")
_MARK_REDRIVEN = sa.text("""
    UPDATE dead_letters SET redriven_at = now()
    WHERE topic = :topic AND partition = :partition AND "offset" = :offset
""")
_DROP_OLD = sa.text("""
    DELETE FROM dead_letters WHERE (topic, partition, "offset") IN (
        SELECT topic, partition, "offset" FROM dead_letters
        WHERE failed_at < statement_timestamp() - make_interval(days => :days) LIMIT :most FOR UPDATE SKIP LOCKED
    )
""")


async def insert(conn: AsyncConnection, rows: Sequence[DeadLetterRow]) -> None:
    """Store dead letters in the transaction that moves the offset past them."""
    await conn.execute(_INSERT, _ROWS.arrays(rows))


async def between(conn: AsyncConnection, partition: TopicPartition, first: int, end: int) -> list[DeadLetterRow]:
    """The dead letters of offsets `first <= offset < end`, in order."""
    rows = await conn.execute(_READ, {"topic": partition[0], "partition": partition[1], "first": first, "end": end})
    return [named(DeadLetterRow, row) for row in rows]


async def redriven(conn: AsyncConnection) -> dict[tuple[str, int, int], datetime]:
    """When dead letters were redriven, by topic, partition and offset."""
    rows = await conn.execute(_REDRIVEN)
    return {(row.topic, row.partition, row.offset): row.redriven_at for row in rows}


async def waiting(conn: AsyncConnection) -> tuple[int, datetime | None]:
    """How many have not been redriven, and when the last one failed."""
    count, last = (await conn.execute(_WAITING)).one()
    return count, last


async def may_redrive(conn: AsyncConnection, topic: str, partition: int, offset: int) -> bool:
    """Whether it has not been redriven yet; nobody else can redrive it until the transaction ends."""
    found = (await conn.execute(_LOCK, {"topic": topic, "partition": partition, "offset": offset})).one_or_none()
    return found is None or found.redriven_at is None


async def mark_redriven(conn: AsyncConnection, topic: str, partition: int, offset: int) -> None:
    """Mark it as redriven, unless retention has dropped its row."""
    await conn.execute(_MARK_REDRIVEN, {"topic": topic, "partition": partition, "offset": offset})


def older_than(days: int) -> Drop:
    """Drops dead letters older than this: their personal data is kept no longer than in their topic."""

    async def drop(conn: AsyncConnection, most: int) -> int:
        return (await conn.execute(_DROP_OLD, {"days": days, "most": most})).rowcount

    return drop
