"""What one consumer reads, from a real broker: what comes while a batch is settled, and where it begins anew."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.tables.offsets import Progress
from shared.kafka.loop.lanes import Lanes
from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.loop.reading import Reading
from shared.kafka.producer import Producer, partition_of
from shared.kafka.records import Outgoing, Record
from shared.kafka.topics import Topics, create_topics
from tests.support.copying import copies
from tests.support.waiting import until


@dataclass
class Reader:
    """A consumer of everything, and what is read with it."""

    topics: Topics
    consumer: AIOKafkaConsumer
    reading: Reading
    kept_s: float  # how long aiokafka by itself would not fetch while something waits
    following: dict[TopicPartition, int] = field(default_factory=dict)

    async def batch(self, most: int = 1000, wait_ms: int = 10_000) -> list[str]:
        return values(await self.reading.batch(most=most, most_bulk=most, wait_ms=wait_ms))

    def begin(self, partition: TopicPartition, at: int) -> None:
        self.following[partition] = at
        self.reading.begin(partition, Progress(at, at), compare=False)

    @contextmanager
    def held(self, records: int, most: int = 1000) -> Iterator[asyncio.Task[None]]:
        """While it reads ahead; the task ends once so many records are held."""
        with self.reading.ahead(most):
            yield asyncio.create_task(until(lambda: self.reading.held >= records))


def values(records: list[Record]) -> list[str]:
    return [record.value.decode() for record in records]


@pytest.fixture
async def reader(database: str, kafka: str, topic_prefix: str) -> AsyncIterator[Reader]:
    topics = Topics(topic_prefix)
    await create_topics(kafka, topics, partitions=2, replication=1)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=None, auto_offset_reset="none")
    await consumer.start()
    kept_s = consumer._fetcher._prefetch_backoff
    partitions = [TopicPartition(topic, n) for topic in (topics.events, topics.events_bulk) for n in (0, 1)]
    consumer.assign(partitions)
    async with copies(database) as engine:
        following: dict[TopicPartition, int] = {}
        reader = Reader(topics, consumer, Reading(consumer, _lanes(engine, topics), following), kept_s, following)
        for partition in partitions:
            reader.begin(partition, 0)
        try:
            yield reader
        finally:
            await consumer.stop()


def _lanes(engine: AsyncEngine, topics: Topics) -> Lanes:
    return Lanes(engine, "loop", [topics.events], LoopMetrics(CollectorRegistry()))


async def send(producer: Producer, topic: str, *said: str) -> None:
    """One after the other: each is there before the next is sent."""
    for each in said:
        await producer.send(Outgoing(topic, each.encode(), each.encode()))


async def test_what_comes_while_a_batch_is_settled_is_all_in_the_next(reader: Reader, producer: Producer) -> None:
    await send(producer, reader.topics.events, "first")
    assert await reader.batch() == ["first"]
    later = [f"later{n:02}" for n in range(20)]
    with reader.held(20) as read:
        await send(producer, reader.topics.events, *later)
        await read
    batch = await reader.batch(wait_ms=0)
    assert sorted(batch) == later
    for partition in (0, 1):
        of_one = [each for each in batch if each in _of(partition, later)]
        assert of_one == sorted(of_one), "in order within a partition"


def _of(partition: int, said: list[str]) -> set[str]:
    return {each for each in said if partition_of(each.encode(), [0, 1], [0, 1]) == partition}


async def test_no_more_is_held_than_may_be_and_none_is_lost(reader: Reader, producer: Producer) -> None:
    said = [f"a{n:02}" for n in range(30)]
    with reader.held(10, most=10) as read:
        await send(producer, reader.topics.events, *said)
        await read
    assert reader.reading.held == 10
    got: list[str] = []
    while len(got) < 30:
        some = await reader.batch(most=7)
        assert 0 < len(some) <= 7
        got += some
    assert sorted(got) == said


async def test_bulk_records_that_wait_do_not_keep_live_ones(reader: Reader, producer: Producer) -> None:
    await send(producer, reader.topics.events_bulk, *(f"bulk{n}" for n in range(10)))
    assert await reader.batch(most=1)
    with reader.held(2) as read:
        await send(producer, reader.topics.events, "live1", "live2")
        await read
    assert sorted(await reader.batch()) == ["live1", "live2"]
    assert (await reader.batch(most=1))[0].startswith("bulk")


async def test_what_is_begun_anew_is_read_anew(reader: Reader, producer: Producer) -> None:
    """A partition is held when a batch failed: what was read ahead of it would be read twice."""
    said = [f"a{n}" for n in range(8)]
    with reader.held(8) as read:
        await send(producer, reader.topics.events, *said)
        await read
    one, other = (TopicPartition(reader.topics.events, n) for n in (0, 1))
    reader.begin(one, 0)
    reader.consumer.pause(other)
    got: list[str] = []
    while len(got) < len(_of(0, said)):
        got += await reader.batch()
    assert set(got) == _of(0, said), "once, and nothing of the one that is held"
    reader.begin(other, 0)
    got = []
    while len(got) < len(_of(1, said)):
        got += await reader.batch()
    assert set(got) == _of(1, said)


async def test_an_error_while_reading_ahead_comes_with_the_next_batch(reader: Reader) -> None:
    partition = TopicPartition(reader.topics.events, 0)
    with reader.reading.ahead(1000):
        reader.begin(partition, 1_000_000)  # the log does not reach so far
        await until(lambda: reader.reading.failed)
    with pytest.raises(OffsetOutOfRangeError):
        await reader.batch()


async def test_a_batch_that_ends_at_once_has_nothing_read_ahead(reader: Reader, producer: Producer) -> None:
    before = asyncio.all_tasks()
    with reader.reading.ahead(1000):
        pass
    assert asyncio.all_tasks() <= before
    await send(producer, reader.topics.events, "a")
    assert await reader.batch() == ["a"]


async def test_what_waits_to_be_read_keeps_others_from_being_fetched_for_a_moment_only(reader: Reader) -> None:
    assert reader.kept_s > 0, "that aiokafka still has it is half of the test"
    assert reader.consumer._fetcher._prefetch_backoff < reader.kept_s / 10
