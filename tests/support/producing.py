"""A producer of messages for Kafka, connected until the block ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared.kafka.producer import Producer
from tests.support.waiting import until


@asynccontextmanager
async def producing(kafka: str, *, client_id: str = "test", **settings: Any) -> AsyncIterator[Producer]:
    """It is ready when the block begins, and stopped when it ends. `settings`: the producer's own."""
    stopping = asyncio.Event()
    producer = Producer(kafka, client_id=client_id, **settings)
    running = asyncio.create_task(producer.run(stopping))
    try:
        await until(lambda: producer.ready)
        yield producer
    finally:
        stopping.set()
        await running
