"""What a topic holds, for a test."""

import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRecord


async def records_on(kafka: str, topic: str, least: int = 0) -> list[ConsumerRecord]:
    """All its messages up to its end, each partition's in their order, once there are at least so many.

    ingest may have answered for what its spool still holds: see `all_sent` in ingest_service.py.
    """
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        found: list[ConsumerRecord] = []
        async with asyncio.timeout(60):
            while len(found) < least or not await _at_end(consumer):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += records
        return found
    finally:
        await consumer.stop()


async def _at_end(consumer: AIOKafkaConsumer) -> bool:
    ends = await consumer.end_offsets(consumer.assignment())
    return all([await consumer.position(partition) >= end for partition, end in ends.items()])


async def on_the_topic(kafka: str, topic: str, least: int) -> list[bytes]:
    """The values of its messages, once there are at least so many."""
    return [record.value for record in await records_on(kafka, topic, least)]
