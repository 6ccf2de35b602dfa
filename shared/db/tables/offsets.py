"""The progress of each topic partition, moved in the transaction of what was made of its records (DESIGN section 5).

`next_offset` moves only by compare-and-set, which fences a process that lost its partition without noticing.
`published` trails it: what lies between the two is republished when the partition is assigned.

These offsets keep counting when a topic is recreated: `base` is the number of offsets before the present log, so
Kafka's own offset is `next_offset - base`, and no row of an old log is ever taken for one of a new log.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.arrays import Rows, by_name, by_place
from shared.db.named import named
from shared.db.statement import Statement
from shared.db.tables.offset_tables import CONSUMER_OFFSETS

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


_FIRSTS: Final[Rows[tuple[str, int, int]]] = Rows(CONSUMER_OFFSETS, by_place("topic", "partition", "next_offset"))
_CLAIM = sa.text(f"{_FIRSTS.inserted(published='next_offset')} ON CONFLICT (topic, partition) DO NOTHING")
_ASKED: Final[Rows[TopicPartition]] = Rows(CONSUMER_OFFSETS, by_place("topic", "partition"))
_READ = sa.text(f"""
    SELECT topic, partition, next_offset, published, base, last_record
    FROM consumer_offsets JOIN {_ASKED.unnested} USING (topic, partition)
""")  # noqa: S608 - names of columns, no input
_STEPS: Final[Rows[Advance]] = Rows(CONSUMER_OFFSETS, by_name(Advance), "advance_", beside={"expected": "bigint"})
_ADVANCED: Final = f"""
    UPDATE consumer_offsets AS o
    SET next_offset = u.next_offset, published = GREATEST(o.published, u.published), last_record = u.last_record
    FROM {_STEPS.unnested}
    WHERE o.topic = u.topic AND o.partition = u.partition AND o.next_offset = u.expected
"""  # noqa: S608 - names of columns, no input
_ADVANCE: Final = Statement(_ADVANCED)
# No boolean, so the statement ends; Postgres' log quotes it.
_CHANGED: Final = "changed meanwhile: nothing is written, the batch is settled in a transaction"
GIVEN: Final = "(SELECT so FROM given)"
"""What each of the writes of `with_offsets` asks."""
_MARKS: Final[Rows[tuple[str, int, int]]] = Rows(CONSUMER_OFFSETS, by_place("topic", "partition", "published"))
_PUBLISHED = sa.text(f"""
    UPDATE consumer_offsets AS o SET published = GREATEST(o.published, LEAST(u.published, o.next_offset))
    FROM {_MARKS.unnested} WHERE o.topic = u.topic AND o.partition = u.partition
""")  # noqa: S608 - names of columns, no input
_READ_ALL = sa.text("""
    SELECT topic, partition, next_offset, published, base, last_record FROM consumer_offsets ORDER BY topic, partition
""")
_TAKE_UP = sa.text("""
    UPDATE consumer_offsets SET next_offset = :next_offset, base = :base, last_record = NULL
    WHERE topic = :topic AND partition = :partition AND next_offset = :expected AND base = :expected_base
""")


async def claim(conn: AsyncConnection, firsts: Mapping[TopicPartition, int]) -> dict[TopicPartition, Progress]:
    """The progress of these partitions; one never seen before starts at the offset given (its log's first)."""
    rows = [(*partition, firsts[partition]) for partition in sorted(firsts)]
    await conn.execute(_CLAIM, _FIRSTS.arrays(rows))
    return await read(conn, firsts)


async def read(conn: AsyncConnection, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Progress]:
    """The stored progress of these partitions."""
    rows = await conn.execute(_READ, _ASKED.arrays(sorted(partitions)))
    return {(row.topic, row.partition): named(Progress, row) for row in rows}


async def advance(conn: AsyncConnection, steps: Sequence[Advance]) -> bool:
    """Advance every partition of a batch by compare-and-set. False (roll back!) when another process moved one."""
    steps = sorted(steps)  # one lock order for all processes
    return await _ADVANCE.run(conn, _STEPS.arrays(steps)) == len(steps)


def with_offsets(writes: str = "", *, given: str = "true", holds: str = "true") -> Statement:
    """SQL of a whole batch, which needs no transaction around it: `writes`, each `name AS (...)`, and its offsets.

    `given` is what it reads before; unless that is true, nothing is written: `writes` insert only `WHERE {GIVEN}`.
    It raises, and so writes nothing, unless `holds`, which asks `writes`, and each partition was where the batch began.
    """
    return Statement(f"""
        WITH given AS (SELECT {given} AS so), {writes}{writes and ","}
        advanced AS ({_ADVANCED} AND {GIVEN} RETURNING 1)
        SELECT so, CAST(CASE WHEN NOT so OR (
            {holds} AND (SELECT count(*) FROM advanced) = cardinality(CAST(:advance_topic AS text[]))
        ) THEN 'true' ELSE '{_CHANGED}' END AS boolean) FROM given
    """)  # noqa: S608 - SQL of this project, no input


async def write_with(
    conn: AsyncConnection, statement: Statement, values: Mapping[str, Any], steps: Sequence[Advance]
) -> bool:
    """Run a statement made by `with_offsets`; whether what it needs was given, and so all of it is written.

    Raises asyncpg.InvalidTextRepresentationError when what it rests upon has changed.
    """
    ((given, _),) = await statement.rows(conn, {**values, **_STEPS.arrays(sorted(steps))})
    return bool(given)


async def mark_published(conn: AsyncConnection, published: Mapping[TopicPartition, int]) -> None:
    """Store that everything below these offsets is published."""
    await conn.execute(_PUBLISHED, _MARKS.arrays([(*each, published[each]) for each in sorted(published)]))


async def read_all(conn: AsyncConnection) -> dict[TopicPartition, Progress]:
    """The progress of every partition that was ever consumed."""
    return {(row.topic, row.partition): named(Progress, row) for row in await conn.execute(_READ_ALL)}


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
