from collections.abc import AsyncIterator

import pytest

from shared.kafka.producer import Producer
from tests.support.producing import producing


@pytest.fixture
async def producer(kafka: str) -> AsyncIterator[Producer]:
    async with producing(kafka) as producer:
        yield producer
