"""One partition's queue on a real broker: in order, however the messages come; given up when it is told so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer

from shared.errors import Transient
from shared.kafka.partition_queue import PartitionQueue
from shared.kafka.records import Outgoing
from shared.kafka.topics import Topics, create_topics
from tests.support.stack import OwnStack
from tests.support.topics import on_the_topic
from tests.support.waiting import until


@asynccontextmanager
async def queue_on(kafka: str, topic: str, failures: list[str]) -> AsyncIterator[PartitionQueue]:
    # aiokafka itself would wait for longer than the test.
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=False, request_timeout_ms=60_000, max_batch_size=4096
    )
    await producer.start()
    queue = PartitionQueue(producer, topic, 0, on_failure=lambda: failures.append("failed"))
    try:
        yield queue
    finally:
        await queue.close()
        await producer.stop()


async def test_alone_together_or_larger_than_a_batch_they_come_in_order(kafka: str, topic_prefix: str) -> None:
    topic = Topics(topic_prefix).events
    await create_topics(kafka, Topics(topic_prefix), partitions=1, replication=1)
    failures: list[str] = []
    async with queue_on(kafka, topic, failures) as queue:
        sent: list[bytes] = []
        acknowledged = []
        for number in range(600):
            if number % 50 == 7:
                values = [b"%d of many %d" % (each, number) for each in range(40)]
            else:
                values = [b"%d" % number + b"x" * (9000 if number % 70 == 3 else 100)]
            sent += values
            acknowledged.append(queue.put([Outgoing(topic, b"k", value) for value in values]))
            if number % 3 == 0:
                await asyncio.sleep(0)  # so that some join a batch under way
        async with asyncio.timeout(20):
            await asyncio.gather(*acknowledged)
    assert await on_the_topic(kafka, topic, len(sent)) == sent
    assert failures == []


async def test_what_is_given_up_fails_with_all_behind_it_and_the_next_one_passes(own_stack: OwnStack) -> None:
    topic = Topics().events
    await create_topics(own_stack.kafka, Topics(), partitions=1, replication=1)
    failures: list[str] = []
    loop = asyncio.get_running_loop()
    async with queue_on(own_stack.kafka, topic, failures) as queue:
        async with asyncio.timeout(20):
            await queue.put([Outgoing(topic, b"k", b"first")])
        own_stack.stall_kafka()
        try:
            waiting = [queue.put([Outgoing(topic, b"k", b"%d" % number + b"x" * 1000)]) for number in range(10)]
            await until(lambda: queue._began is not None)
            waiting += [queue.put([Outgoing(topic, b"k", b"behind")] * 2) for _ in range(3)]
            queue.give_up_what_began_before(loop.time() - 60)
            await asyncio.sleep(0)
            assert not any(each.done() for each in waiting), "it has not been under way for so long"

            def given_up() -> bool:
                queue.give_up_what_began_before(loop.time())
                return all(each.done() for each in waiting)

            await until(given_up)
        finally:
            own_stack.resume_kafka()
        for each in waiting:
            with pytest.raises(Transient):
                await each
        assert failures == ["failed"]
        async with asyncio.timeout(20):
            await queue.put([Outgoing(topic, b"k", b"last")])
    assert (await on_the_topic(own_stack.kafka, topic, 2))[-1] == b"last"


async def test_who_comes_after_many_that_wait_comes_behind_them(kafka: str, topic_prefix: str) -> None:
    topic = Topics(topic_prefix).events
    await create_topics(kafka, Topics(topic_prefix), partitions=1, replication=1)
    values = [b"under way", b"one of two", b"two of two", b"last"]
    async with queue_on(kafka, topic, []) as queue, asyncio.timeout(20):
        first, *two, last = [Outgoing(topic, b"k", value) for value in values]
        sent = [queue.put([first])]
        while queue._open is None:  # from then on its batch takes more
            await asyncio.sleep(0)
        sent += [queue.put(two), queue.put([last])]
        await asyncio.gather(*sent)
    assert await on_the_topic(kafka, topic, len(values)) == values


async def test_what_waits_at_the_end_fails_and_nobody_waits_for_ever() -> None:
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    queue = PartitionQueue(producer, "none", 0, on_failure=lambda: None)
    waiting = [queue.put([Outgoing("none", None, b"v")]) for _ in range(2)]
    await queue.close()
    await producer.stop()
    assert all(each.done() for each in waiting)
    for each in waiting:
        with pytest.raises(Transient):
            await each
