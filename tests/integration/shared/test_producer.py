"""A producer on a real broker: so many sends at a time, failures that are told, and a connection made anew that works."""

import asyncio

import pytest

from shared.errors import Transient
from shared.kafka.producer import Producer
from shared.kafka.records import Outgoing
from shared.kafka.topics import MAX_MESSAGE_BYTES, Topics, create_topics
from tests.support.producing import producing
from tests.support.topics import on_the_topic
from tests.support.waiting import until


@pytest.fixture
async def topic(kafka: str, topic_prefix: str) -> str:
    await create_topics(kafka, Topics(topic_prefix), partitions=2, replication=1)
    return Topics(topic_prefix).events


def numbered(topic: str, count: int) -> list[Outgoing]:
    return [Outgoing(topic, b"k", b"%d" % number) for number in range(count)]


async def test_a_further_send_is_refused_and_each_that_came_to_an_end_makes_room(kafka: str, topic: str) -> None:
    async with producing(kafka, max_in_flight=2) as producer, asyncio.timeout(30):
        for _ in range(3):
            first, second, third = await asyncio.gather(*map(producer.send, numbered(topic, 3)), return_exceptions=True)
            assert (first, second) == (None, None)
            assert isinstance(third, Transient)


async def test_what_kafka_does_not_take_is_told_and_the_connection_made_anew_takes_the_next(
    kafka: str, topic: str
) -> None:
    async with producing(kafka) as producer, asyncio.timeout(30):
        await producer.send_all(numbered(topic, 3))
        before = producer._producer
        with pytest.raises(Transient, match="MessageSizeTooLarge"):
            await producer.send_all([Outgoing(topic, b"k", b"x" * 2 * MAX_MESSAGE_BYTES)])
        await until(lambda: producer.ready and producer._producer is not before)
        for each in numbered(topic, 20):
            await producer.send(each)
        assert producer.ready
    assert len(await on_the_topic(kafka, topic, 23)) == 23


async def test_a_record_is_acknowledged_by_all_replicas_or_not_at_all() -> None:
    made = Producer("127.0.0.1:1", client_id="test")._make()
    assert made._sender._acks == -1, "as aiokafka says `all`"
    await made.stop()
