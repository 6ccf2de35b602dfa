"""The watchdog on a real log: it ends a consumer that should make progress and does not, and no other."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client import CollectorRegistry

from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.loop.watchdog import Stalled, watch
from shared.kafka.topics import Topics, create_topics
from tests.support.waiting import until

STALLED_S = 0.4
LOOKS = 12  # a tenth of a second each: three times as long as a stall takes
RECORDS = 100


class Watched:
    """A consumer of a log of a hundred records. `steps`: how many it reads between two looks of the watchdog."""

    def __init__(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        self._consumer = consumer
        self._partition = partition
        self.position = 0
        self.steps = 0
        self.moving = True
        self.looks = 0

    def _positions(self) -> dict[TopicPartition, int]:
        self.looks += 1
        self.position += self.steps
        return {self._partition: self.position}

    async def is_left_alone(self) -> bool:
        """Whether the watchdog still watches long after a stall would have ended it. Raises Stalled if not."""
        metrics = LoopMetrics(CollectorRegistry())
        task = asyncio.create_task(
            watch(self._consumer, self._positions, lambda _: self.moving, metrics, stalled_s=STALLED_S)
        )
        await until(lambda: self.looks >= LOOKS or task.done())
        if task.done():
            await task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return True


@pytest.fixture
async def watched(kafka: str, topic_prefix: str) -> AsyncIterator[Watched]:
    topics = Topics(topic_prefix)
    await create_topics(kafka, topics, partitions=1, replication=1)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        sent = [await producer.send(topics.events, b"%d" % number) for number in range(RECORDS)]
        await asyncio.gather(*sent)
    partition = TopicPartition(topics.events, 0)
    async with AIOKafkaConsumer(bootstrap_servers=kafka, group_id=None) as consumer:
        consumer.assign([partition])
        yield Watched(consumer, partition)


async def test_who_stands_still_with_lag_is_ended(watched: Watched) -> None:
    watched.position = 40
    with pytest.raises(Stalled, match="60 records behind"):
        await watched.is_left_alone()


async def test_who_makes_progress_is_not(watched: Watched) -> None:
    watched.steps = 1
    assert await watched.is_left_alone()


async def test_who_has_nothing_to_do_is_not(watched: Watched) -> None:
    watched.position = RECORDS
    assert await watched.is_left_alone()


async def test_who_has_to_wait_is_not(watched: Watched) -> None:
    """Its lane is halted, or a dependency is away."""
    watched.moving = False
    assert await watched.is_left_alone()
