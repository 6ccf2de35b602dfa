"""Partitions that were assigned are read only once they have been adopted."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.kafka.loop.assignment import Assignment
from shared.kafka.stopping import stop_consumer
from shared.kafka.topics import Topics, create_topics


@pytest.fixture
async def consumer(kafka: str, topic_prefix: str) -> AsyncIterator[AIOKafkaConsumer]:
    """It was given the partitions of a topic, with a record in each."""
    topic = Topics(topic_prefix).events
    await create_topics(kafka, Topics(topic_prefix), partitions=2, replication=1)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for partition in (0, 1):
            await producer.send_and_wait(topic, b"v", partition=partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    consumer.assign([TopicPartition(topic, 0), TopicPartition(topic, 1)])
    await consumer.start()
    yield consumer
    await stop_consumer(consumer)


async def test_what_is_assigned_is_held_until_it_is_adopted(consumer: AIOKafkaConsumer) -> None:
    assignment, (one, two) = Assignment(consumer), sorted(consumer.assignment())
    assert not assignment.joined
    await assignment.on_partitions_assigned([one, two])
    assert (assignment.joined, assignment.to_adopt) == (True, {one, two})
    assert consumer.paused() == {one, two}
    assert [await consumer.position(each) for each in (one, two)] == [0, 0], "Kafka need not be asked where"


async def test_what_others_have_now_is_not_adopted(consumer: AIOKafkaConsumer) -> None:
    assignment, (one, two) = Assignment(consumer), sorted(consumer.assignment())
    await assignment.on_partitions_assigned([one, two])
    await assignment.on_partitions_revoked([two, TopicPartition("other", 0)])
    assert assignment.to_adopt == {one}
    await assignment.on_partitions_assigned([two])
    assert assignment.to_adopt == {two}, "of an earlier assignment nothing is left"


async def test_what_is_held_again_is_adopted_beside_what_waits_already(consumer: AIOKafkaConsumer) -> None:
    assignment, (one, two) = Assignment(consumer), sorted(consumer.assignment())
    await assignment.on_partitions_assigned([one])
    assignment.hold(iter([two]))
    assert assignment.to_adopt == {one, two}
    assert consumer.paused() == {one, two}
