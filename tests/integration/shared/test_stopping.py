"""Clients of a broker that hangs are given up in time, for good: nothing of them runs on, or publishes later."""

import asyncio

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from shared.errors import Transient
from shared.kafka.records import Outgoing
from shared.kafka.stopping import stop_consumer
from shared.kafka.topics import Topics, create_topics
from tests.support.producing import producing
from tests.support.stack import OwnStack
from tests.support.waiting import until


def left_behind() -> list[str]:
    """The tasks of aiokafka that run in this loop."""
    codes = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()]
    return [code.co_qualname for code in codes if code is not None and "aiokafka" in code.co_filename]


async def test_a_connection_that_was_given_up_leaves_no_sender_and_publishes_nothing_later(own_stack: OwnStack) -> None:
    topic = Topics().events
    await create_topics(own_stack.kafka, Topics(), partitions=1, replication=1)
    # The deadline is beyond what its stop is given.
    async with producing(own_stack.kafka, deadline_s=5.5) as producer:

        async def sent(value: bytes) -> bool:
            try:
                await producer.send(Outgoing(topic, b"k", value))
            except (KafkaError, Transient):
                return False
            return True

        assert await sent(b"before")
        own_stack.stall_kafka()
        try:
            for _ in range(3):
                assert not any(await asyncio.gather(*(sent(b"given up") for _ in range(20))))
            await until(lambda: not producer.ready, 30)
        finally:
            own_stack.resume_kafka()
        await until(lambda: producer.ready, 30)
        assert await sent(b"after")
        assert len([name for name in left_behind() if "sender_routine" in name]) == 1
    assert left_behind() == []
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=own_stack.kafka, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        found: list[bytes] = []
        async with asyncio.timeout(20):
            while b"after" not in found:
                found += [r.value for records in (await consumer.getmany(timeout_ms=100)).values() for r in records]
        assert found[0] == b"before"
        assert found[-1] == b"after", "in their order"
    finally:
        await consumer.stop()


async def test_a_consumer_that_cannot_leave_its_group_leaves_no_task(own_stack: OwnStack) -> None:
    topic = Topics().events
    await create_topics(own_stack.kafka, Topics(), partitions=1, replication=1)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=own_stack.kafka, group_id="leaves")
    await consumer.start()
    await until(lambda: bool(consumer.assignment()))
    own_stack.stall_kafka()
    try:
        async with asyncio.timeout(30):
            await stop_consumer(consumer)
        assert left_behind() == []
    finally:
        own_stack.resume_kafka()
