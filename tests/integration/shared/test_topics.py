"""The topics as the broker has them, and a producer's own bounds."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from shared.errors import Permanent, Transient
from shared.kafka.records import Outgoing
from shared.kafka.topics import MAX_MESSAGE_BYTES, Topics, create_topics
from tests.support.producing import producing

DAY_MS = 86_400_000


async def test_topics_are_made_once_and_keep_what_the_loop_needs(kafka: str, topic_prefix: str) -> None:
    topics = Topics(topic_prefix)
    days = topics.retention_days()
    assert set(days.values()) == {28, 90}
    assert len(set(days)) == 5
    assert days[topics.dead_letters] == 90
    assert sorted(await create_topics(kafka, topics, partitions=2, replication=1)) == sorted(days)
    assert await create_topics(kafka, topics, partitions=2, replication=1) == []
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        found = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in days])
        partitions = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics(list(days))}
    finally:
        await admin.close()
    assert set(partitions.values()) == {2}
    for answer in found:
        for _, _, _, name, entries in answer.resources:
            said = {key: value for key, value, *_ in entries}
            assert said["retention.ms"] == str(days[name] * DAY_MS)
            assert said["cleanup.policy"] == "delete"
            assert said["max.message.bytes"] == str(MAX_MESSAGE_BYTES)
            assert said["min.insync.replicas"] == "1"
            assert said["unclean.leader.election.enable"] == "false"


async def test_a_cluster_that_is_too_small_says_so(kafka: str, topic_prefix: str) -> None:
    with pytest.raises(KafkaError, match=topic_prefix):
        await create_topics(kafka, Topics(topic_prefix), partitions=1, replication=3)


async def test_a_producer_takes_so_many_at_once_and_goes_on_when_they_are_done(kafka: str, topic_prefix: str) -> None:
    topic = Topics(topic_prefix).events
    await create_topics(kafka, Topics(topic_prefix), partitions=1, replication=1)
    message = Outgoing(topic, b"k", b"v")
    async with producing(kafka, max_in_flight=2) as producer:
        answers = await asyncio.gather(*(producer.send(message) for _ in range(5)), return_exceptions=True)
        assert [type(each) for each in answers] == [type(None)] * 2 + [Transient] * 3
        for _ in range(3):
            await producer.send(message)
            with pytest.raises(Permanent):
                await producer.send(Outgoing(topic, b"k", b"x" * MAX_MESSAGE_BYTES))
    assert not producer.ready
    with pytest.raises(Transient):
        await producer.send(message)
