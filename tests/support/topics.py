"""What a topic holds, for a test."""

import asyncio

from aiokafka import AIOKafkaConsumer


async def on_the_topic(kafka: str, topic: str, count: int) -> list[bytes]:
    """The values of its messages, once there are so many."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        found: list[bytes] = []
        async with asyncio.timeout(20):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += [record.value for record in records]
        return found
    finally:
        await consumer.stop()
