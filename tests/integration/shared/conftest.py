from collections.abc import AsyncIterator

import pytest

from shared.kafka.producer import Producer
from shared.kafka.topics import Topics, create_topics
from tests.support.producing import producing


@pytest.fixture
async def producer(kafka: str) -> AsyncIterator[Producer]:
    async with producing(kafka) as producer:
        yield producer


@pytest.fixture
def partitions() -> int:
    """Of each of the `topics`; a file that needs another number says so."""
    return 1


@pytest.fixture
async def topics(kafka: str, topic_prefix: str, partitions: int) -> Topics:
    topics = Topics(topic_prefix)
    await create_topics(kafka, topics, partitions=partitions, replication=1)
    return topics
