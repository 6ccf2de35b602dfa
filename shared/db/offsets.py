"""Offsets and dead letters as rows of the transaction that they describe (DESIGN section 5).

`next_offset` moves only as compare-and-set: that fences a process which lost its partition without noticing.
`published` trails it: what lies between the two is published again when a partition is assigned.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.schema import SchemaItem

Place: TypeAlias = tuple[str, int]  # topic, partition


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a partition is: offsets below `published` are done and told, below `next_offset` done."""

    next_offset: int
    published: int


@dataclass(frozen=True, slots=True)
class Move:
    """One partition's step in one batch: from `expected` to `next_offset`; all before `published` has been told."""

    topic: str
    partition: int
    expected: int
    next_offset: int
    published: int


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter as stored: the original bytes and all that is known of the failure."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    error_class: str
    reason: str


def _columns() -> tuple[list[SchemaItem], list[SchemaItem]]:
    offsets: list[SchemaItem] = [
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("published", sa.BigInteger, nullable=False),
        sa.CheckConstraint("published >= 0 AND published <= next_offset", name="published_within_next"),
    ]
    dead: list[SchemaItem] = [
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("offset", sa.BigInteger, primary_key=True),
        sa.Column("key", BYTEA),
        sa.Column("value", BYTEA, nullable=False),
        sa.Column("error_class", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint('"offset" >= 0', name="offset_not_negative"),
    ]
    return offsets, dead


def offset_tables(metadata: sa.MetaData) -> tuple[sa.Table, sa.Table]:
    """`consumer_offsets` and `dead_letters` in the service's metadata."""
    offsets, dead = _columns()
    return sa.Table("consumer_offsets", metadata, *offsets), sa.Table("dead_letters", metadata, *dead)


def create_offset_tables(schema: str) -> None:
    """For a service's first migration: both tables, in its schema."""
    offsets, dead = _columns()
    op.create_table("consumer_offsets", *offsets, schema=schema)
    op.create_table("dead_letters", *dead, schema=schema)


def drop_offset_tables(schema: str) -> None:
    """For the downgrade of a service's first migration."""
    op.drop_table("dead_letters", schema=schema)
    op.drop_table("consumer_offsets", schema=schema)


_CLAIM = sa.text("""
    INSERT INTO consumer_offsets (topic, partition, next_offset, published)
    SELECT topic, partition, first, first
    FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:firsts AS bigint[]))
        AS asked (topic, partition, first)
    ON CONFLICT (topic, partition) DO NOTHING
""")
_READ = sa.text("""
    SELECT topic, partition, next_offset, published
    FROM consumer_offsets
    JOIN unnest(CAST(:topics AS text[]), CAST(:partitions AS int[])) AS asked (topic, partition)
        USING (topic, partition)
""")
_MOVE = sa.text("""
    UPDATE consumer_offsets AS o
    SET next_offset = m.next_offset, published = GREATEST(o.published, m.published)
    FROM unnest(
        CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:expected AS bigint[]),
        CAST(:next_offsets AS bigint[]), CAST(:published AS bigint[])
    ) AS m (topic, partition, expected, next_offset, published)
    WHERE o.topic = m.topic AND o.partition = m.partition AND o.next_offset = m.expected
""")
_PUBLISHED = sa.text("""
    UPDATE consumer_offsets AS o SET published = GREATEST(o.published, LEAST(told.published, o.next_offset))
    FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:published AS bigint[]))
        AS told (topic, partition, published)
    WHERE o.topic = told.topic AND o.partition = told.partition
""")
_BURY = sa.text("""
    INSERT INTO dead_letters (topic, partition, "offset", key, value, error_class, reason)
    SELECT * FROM unnest(
        CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:offsets AS bigint[]), CAST(:keys AS bytea[]),
        CAST(:values AS bytea[]), CAST(:classes AS text[]), CAST(:reasons AS text[])
    )
    ON CONFLICT DO NOTHING
""")
_DEAD = sa.text("""
    SELECT topic, partition, "offset", key, value, error_class, reason FROM dead_letters
    WHERE topic = :topic AND partition = :partition AND "offset" >= :first AND "offset" < :end
    ORDER BY "offset"
""")


async def claim(conn: AsyncConnection, firsts: Mapping[Place, int]) -> dict[Place, Mark]:
    """The marks of these partitions; one never seen before starts at the offset given (its log's first)."""
    places = sorted(firsts)
    topics, partitions = [topic for topic, _ in places], [partition for _, partition in places]
    await conn.execute(
        _CLAIM, {"topics": topics, "partitions": partitions, "firsts": [firsts[place] for place in places]}
    )
    return await read(conn, places)


async def read(conn: AsyncConnection, places: Iterable[Place]) -> dict[Place, Mark]:
    """The marks of these partitions, as the database holds them."""
    asked = sorted(places)
    rows = await conn.execute(_READ, {"topics": [t for t, _ in asked], "partitions": [p for _, p in asked]})
    return {(row.topic, row.partition): Mark(row.next_offset, row.published) for row in rows}


async def move(conn: AsyncConnection, moves: Sequence[Move]) -> bool:
    """Move every partition of a batch by compare-and-set. False (roll back!) when another process moved one."""
    moves = sorted(moves, key=lambda m: (m.topic, m.partition))  # one lock order for all processes
    result = await conn.execute(
        _MOVE,
        {
            "topics": [m.topic for m in moves],
            "partitions": [m.partition for m in moves],
            "expected": [m.expected for m in moves],
            "next_offsets": [m.next_offset for m in moves],
            "published": [m.published for m in moves],
        },
    )
    return result.rowcount == len(moves)


async def mark_published(conn: AsyncConnection, told: Mapping[Place, int]) -> None:
    """Remember that everything below these offsets has been told."""
    places = sorted(told)
    await conn.execute(
        _PUBLISHED,
        {
            "topics": [topic for topic, _ in places],
            "partitions": [partition for _, partition in places],
            "published": [told[place] for place in places],
        },
    )


async def bury(conn: AsyncConnection, rows: Sequence[DeadLetterRow]) -> None:
    """Store dead letters with the offset that they end."""
    await conn.execute(
        _BURY,
        {
            "topics": [row.topic for row in rows],
            "partitions": [row.partition for row in rows],
            "offsets": [row.offset for row in rows],
            "keys": [row.key for row in rows],
            "values": [row.value for row in rows],
            "classes": [row.error_class for row in rows],
            "reasons": [row.reason for row in rows],
        },
    )


async def buried(conn: AsyncConnection, place: Place, first: int, end: int) -> list[DeadLetterRow]:
    """The dead letters of offsets `first <= offset < end`, in order."""
    rows = await conn.execute(_DEAD, {"topic": place[0], "partition": place[1], "first": first, "end": end})
    return [DeadLetterRow(*row) for row in rows]
