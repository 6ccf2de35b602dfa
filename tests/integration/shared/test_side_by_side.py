"""A large batch is settled in parts side by side, each committed or not by itself, and what failed is tried once more."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db.engine import make_engine
from shared.db.tables import offsets
from shared.errors import Transient
from shared.kafka.loop.batches import Batches, GiveUp, MustHalt
from shared.kafka.loop.halting import STREAK
from shared.kafka.loop.lanes import Lanes
from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.loop.parts import SIDE_BY_SIDE
from shared.kafka.loop.publishing import Publishing
from shared.kafka.producer import Producer
from shared.kafka.records import Handled, Outgoing, Record, Sender
from shared.kafka.topics import Topics
from tests.support.topics import on_the_topic

EACH = 100  # records of a partition in a batch
PLACES = [("t", partition) for partition in range(SIDE_BY_SIDE)]


class Storing:
    """Stores each record and publishes it; `before` is awaited with the partition of each transaction."""

    def __init__(self, topics: Topics, before: Callable[[int, Sequence[Record]], object] | None = None) -> None:
        self._topic = topics.updates
        self._before = before
        self.committed = 0

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        await conn.execute(
            sa.text("INSERT INTO stored VALUES (:p, :o)"), [{"p": r.partition, "o": r.offset} for r in records]
        )
        if self._before is not None:
            answer = self._before(records[0].partition, records)
            if asyncio.iscoroutine(answer):
                await answer
        outgoing = [Outgoing(self._topic, b"%d" % r.partition, r.value) for r in records]
        return Handled(outgoing, after_commit=lambda: self._count(len(records)))

    def _count(self, records: int) -> None:
        self.committed += records

    async def unpublished(self, *_place: object) -> Sequence[Outgoing]:
        return []

    def sender(self, record: Record) -> Sender:
        return Sender(f"shop-{record.partition}", trusted=True)


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="scoring")
    async with engine.begin() as conn:
        await offsets.claim(conn, dict.fromkeys(PLACES, 0))
        await conn.execute(sa.text('CREATE TABLE stored (partition integer, "offset" bigint)'))
    yield engine
    await engine.dispose()


def settling(engine: AsyncEngine, topics: Topics, handler: Storing, producer: Producer) -> Batches:
    """Of a process that has adopted the partitions."""
    metrics = LoopMetrics(CollectorRegistry())
    publishing = Publishing(engine, producer)
    publishing.begin(dict.fromkeys(PLACES, 0))
    lanes = Lanes(engine, "scoring", ["t"], metrics)
    made = Batches(engine, handler, publishing, lanes, metrics, dead_letters=topics.dead_letters, group="scoring")
    made.next.update(dict.fromkeys(PLACES, 0))
    return made


def a_batch(begin: int = 0) -> list[Record]:
    return [
        Record("t", partition, offset, None, b"%d-%d" % (partition, offset), 0)
        for _, partition in PLACES
        for offset in range(begin, begin + EACH)
    ]


async def stored(engine: AsyncEngine) -> Counter[int]:
    async with engine.connect() as conn:
        rows = (await conn.execute(sa.text('SELECT partition, "offset" FROM stored'))).all()
    assert len(rows) == len(set(rows)), "nothing is stored twice"
    return Counter(row.partition for row in rows)


async def ends(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as conn:
        progress = await offsets.read(conn, PLACES)
    return [progress[place].next_offset for place in PLACES]


ALL = Counter(dict.fromkeys(range(SIDE_BY_SIDE), EACH))


async def test_the_parts_are_under_way_at_the_same_time(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    together = asyncio.Barrier(SIDE_BY_SIDE)

    async def meet(_partition: int, _records: Sequence[Record]) -> None:
        async with asyncio.timeout(20):
            await together.wait()

    handler = Storing(topics, meet)
    batches = settling(engine, topics, handler, producer)
    await batches.settle(a_batch())
    await batches.settle(a_batch(EACH))
    assert await stored(engine) == Counter(dict.fromkeys(ALL, 2 * EACH))
    assert await ends(engine) == [2 * EACH] * SIDE_BY_SIDE
    assert handler.committed == 2 * EACH * SIDE_BY_SIDE
    told = [value.decode().split("-") for value in await on_the_topic(kafka, topics.updates, 2 * EACH * SIDE_BY_SIDE)]
    for partition in ALL:
        mine = [int(offset) for of, offset in told if int(of) == partition]
        assert mine == list(range(2 * EACH)), "each is told once and in its order"


async def test_a_part_that_fails_once_keeps_no_other_from_being_committed(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    failures = [Transient("a deadlock")]

    def fail(partition: int, _records: Sequence[Record]) -> None:
        if partition == 1 and failures:
            raise failures.pop()

    handler = Storing(topics, fail)
    await settling(engine, topics, handler, producer).settle(a_batch())
    assert await stored(engine) == ALL
    assert handler.committed == EACH * SIDE_BY_SIDE
    assert len(set(await on_the_topic(kafka, topics.updates, EACH * SIDE_BY_SIDE))) == EACH * SIDE_BY_SIDE


async def test_a_part_that_goes_on_failing_has_to_be_read_again_and_the_others_have_not(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    def fail(partition: int, _records: Sequence[Record]) -> None:
        if partition == 1:
            raise Transient("away")

    with pytest.raises(GiveUp, match="away"):
        await settling(engine, topics, Storing(topics, fail), producer).settle(a_batch())
    assert await ends(engine) == [EACH, 0, EACH]
    assert {value.partition(b"-")[0] for value in await on_the_topic(kafka, topics.updates, 2 * EACH)} == {b"0", b"2"}


async def test_a_part_whose_partition_another_process_has_moved_is_left_to_it(
    engine: AsyncEngine, topics: Topics, producer: Producer
) -> None:
    async with engine.begin() as conn:
        await conn.execute(sa.text("UPDATE consumer_offsets SET next_offset = 7 WHERE partition = 2"))
    with pytest.raises(GiveUp, match="another process"):
        await settling(engine, topics, Storing(topics), producer).settle(a_batch())
    assert await ends(engine) == [EACH, EACH, 7]
    assert await stored(engine) == Counter({0: EACH, 1: EACH})


async def test_a_poisonous_record_of_a_part_is_found_and_all_beside_it_are_done(
    engine: AsyncEngine, topics: Topics, producer: Producer
) -> None:
    def fail(_partition: int, records: Sequence[Record]) -> None:
        if any(record.value == b"1-50" for record in records):
            raise KeyError("no such thing")

    handler = Storing(topics, fail)
    await settling(engine, topics, handler, producer).settle(a_batch())
    assert await stored(engine) == Counter({0: EACH, 1: EACH - 1, 2: EACH})
    assert await ends(engine) == [EACH] * SIDE_BY_SIDE
    async with engine.connect() as conn:
        dead = (await conn.execute(sa.text('SELECT partition, "offset" FROM dead_letters'))).all()
    assert [tuple(row) for row in dead] == [(1, 50)]


async def test_a_mistake_of_ours_in_all_parts_halts_the_lane_as_soon_as_in_one(
    engine: AsyncEngine, topics: Topics, producer: Producer
) -> None:
    def fail(_partition: int, _records: Sequence[Record]) -> None:
        raise KeyError("no such thing")

    with pytest.raises(MustHalt):
        await settling(engine, topics, Storing(topics, fail), producer).settle(a_batch())
    async with engine.connect() as conn:
        dead = (await conn.execute(sa.text("SELECT count(*) FROM dead_letters"))).scalar_one()
    assert (dead, await ends(engine)) == (STREAK - 1, [STREAK - 1, 0, 0])
