"""The progress of each topic partition, moved in the transaction of what was made of its records (DESIGN section 5).

`next_offset` moves only by compare-and-set, which fences a process that lost its partition without noticing.
`published` trails it: what lies between the two is republished when the partition is assigned.

These offsets keep counting when a topic is recreated: `base` is the number of offsets before the present log, so
Kafka's own offset is `next_offset - base`, and no row of an old log is ever taken for one of a new log.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.statement import Statement

TopicPartition: TypeAlias = tuple[str, int]


class Progress(NamedTuple):
    """How far a topic partition is: settled below `next_offset`, published below `published`.

    `last_record` is the fingerprint of the record before `next_offset`; None if none of this log was read.
    """

    next_offset: int
    published: int
    base: int = 0
    last_record: bytes | None = None


class Advance(NamedTuple):
    """One partition's step in one batch: from `expected` to `next_offset`; all before `published` is published."""

    topic: str
    partition: int
    expected: int
    next_offset: int
    published: int
    last_record: bytes


_CLAIM = sa.text("""
    INSERT INTO consumer_offsets (topic, partition, next_offset, published)
    SELECT topic, partition, first, first
    FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:firsts AS bigint[]))
        AS asked (topic, partition, first)
    ON CONFLICT (topic, partition) DO NOTHING
""")
_READ = sa.text("""
    SELECT topic, partition, next_offset, published, base, last_record
    FROM consumer_offsets
    JOIN unnest(CAST(:topics AS text[]), CAST(:partitions AS int[])) AS asked (topic, partition)
        USING (topic, partition)
""")
_ADVANCE = Statement("""
    UPDATE consumer_offsets AS o
    SET next_offset = a.next_offset, published = GREATEST(o.published, a.published), last_record = a.last_record
    FROM unnest(
        CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:expected AS bigint[]),
        CAST(:next_offsets AS bigint[]), CAST(:published AS bigint[]), CAST(:last_records AS bytea[])
    ) AS a (topic, partition, expected, next_offset, published, last_record)
    WHERE o.topic = a.topic AND o.partition = a.partition AND o.next_offset = a.expected
""")
_PUBLISHED = sa.text("""
    UPDATE consumer_offsets AS o SET published = GREATEST(o.published, LEAST(p.published, o.next_offset))
    FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:published AS bigint[]))
        AS p (topic, partition, published)
    WHERE o.topic = p.topic AND o.partition = p.partition
""")
_READ_ALL = sa.text("""
    SELECT topic, partition, next_offset, published, base, last_record FROM consumer_offsets ORDER BY topic, partition
""")
_TAKE_UP = sa.text("""
    UPDATE consumer_offsets SET next_offset = :next_offset, base = :base, last_record = NULL
    WHERE topic = :topic AND partition = :partition AND next_offset = :expected AND base = :expected_base
""")


async def claim(conn: AsyncConnection, firsts: Mapping[TopicPartition, int]) -> dict[TopicPartition, Progress]:
    """The progress of these partitions; one never seen before starts at the offset given (its log's first)."""
    partitions = sorted(firsts)
    await conn.execute(
        _CLAIM,
        {
            "topics": [topic for topic, _ in partitions],
            "partitions": [partition for _, partition in partitions],
            "firsts": [firsts[each] for each in partitions],
        },
    )
    return await read(conn, partitions)


async def read(conn: AsyncConnection, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Progress]:
    """The stored progress of these partitions."""
    asked = sorted(partitions)
    rows = await conn.execute(_READ, {"topics": [t for t, _ in asked], "partitions": [p for _, p in asked]})
    return {(row.topic, row.partition): Progress(*row[2:]) for row in rows}


async def advance(conn: AsyncConnection, steps: Sequence[Advance]) -> bool:
    """Advance every partition of a batch by compare-and-set. False (roll back!) when another process moved one."""
    steps = sorted(steps)  # one lock order for all processes
    moved = await _ADVANCE.run(
        conn,
        {
            "topics": [step.topic for step in steps],
            "partitions": [step.partition for step in steps],
            "expected": [step.expected for step in steps],
            "next_offsets": [step.next_offset for step in steps],
            "published": [step.published for step in steps],
            "last_records": [step.last_record for step in steps],
        },
    )
    return moved == len(steps)


async def mark_published(conn: AsyncConnection, published: Mapping[TopicPartition, int]) -> None:
    """Store that everything below these offsets is published."""
    partitions = sorted(published)
    await conn.execute(
        _PUBLISHED,
        {
            "topics": [topic for topic, _ in partitions],
            "partitions": [partition for _, partition in partitions],
            "published": [published[each] for each in partitions],
        },
    )


async def read_all(conn: AsyncConnection) -> dict[TopicPartition, Progress]:
    """The progress of every partition that was ever consumed."""
    return {(row.topic, row.partition): Progress(*row[2:]) for row in await conn.execute(_READ_ALL)}


async def take_up(conn: AsyncConnection, partition: TopicPartition, before: Progress, after: Progress) -> bool:
    """Resume in another log, or later in this one. False when the progress has moved meanwhile."""
    result = await conn.execute(
        _TAKE_UP,
        {
            "topic": partition[0],
            "partition": partition[1],
            "expected": before.next_offset,
            "expected_base": before.base,
            "next_offset": after.next_offset,
            "base": after.base,
        },
    )
    return result.rowcount == 1
