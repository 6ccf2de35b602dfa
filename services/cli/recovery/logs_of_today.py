"""What Kafka holds now against what a service has read, and how the service continues in it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.cli.service_database import connected
from services.cli.unreachable import Unreachable
from shared.db.tables import halts, offsets
from shared.db.tables.offsets import Progress
from shared.errors import Transient
from shared.events.lanes import LANES
from shared.kafka.loop.position import Found, fingerprint, judge, taken_up
from shared.kafka.records import Record
from shared.kafka.topics import MAX_MESSAGE_BYTES
from shared.settings import Settings

_PATIENCE_S: Final = 15.0


class TakenUp(NamedTuple):
    """A partition that has to be taken up, or was: why, and from which Kafka offset."""

    service: str
    topic: str
    partition: int
    found: Found
    first: int


async def take_up(settings: Settings, service: str, *, dry_run: bool) -> list[TakenUp]:
    """Take up every partition whose log is not the one that was read, and end the halts that it caused.

    Raises Unreachable, and Transient when the service continues meanwhile.
    """
    url = settings.database_url()
    async with connected(url, service) as conn:
        known = await offsets.read_all(conn)
    try:
        found = await _look(settings, known)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unreachable(f"Kafka did not answer ({type(error).__name__}); see FIRSTHOUR_KAFKA") from None
    wrong = [
        TakenUp(service, *partition, what, first)
        for partition, (what, first) in found.items()
        if what in ("another log", "lost records")
    ]
    if not dry_run:
        async with connected(url, service) as conn:
            for each in wrong:
                before = known[each.topic, each.partition]
                after = taken_up(before, each.found, first=each.first)
                if not await offsets.take_up(conn, (each.topic, each.partition), before, after):
                    raise Transient(f"{service} continues with {each.topic}/{each.partition}; nothing was taken up")
            await halts.end(conn, LANES, "position")
    return wrong


async def _look(
    settings: Settings, known: Mapping[tuple[str, int], Progress]
) -> dict[tuple[str, int], tuple[Found, int]]:
    """For each partition that is there: what its log is, and its first offset."""
    if not known:
        return {}
    consumer = AIOKafkaConsumer(
        *{topic for topic, _ in known},
        bootstrap_servers=settings.kafka,
        group_id=None,
        enable_auto_commit=False,
        max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
        **settings.kafka_access().arguments(),
    )
    async with asyncio.timeout(_PATIENCE_S):
        await consumer.start()
    try:
        there = [partition for partition in consumer.assignment() if partition in known]
        async with asyncio.timeout(_PATIENCE_S):
            firsts, ends = await consumer.beginning_offsets(there), await consumer.end_offsets(there)
        found: dict[tuple[str, int], tuple[Found, int]] = {}
        for partition in there:
            progress = known[partition]
            what = judge(progress, first=firsts[partition], end=ends[partition])
            if what == "to compare" and not await _same(consumer, partition, progress):
                what = "another log"
            found[partition] = (what, firsts[partition])
        return found
    finally:
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await consumer.stop()


async def _same(consumer: AIOKafkaConsumer, partition: TopicPartition, progress: Progress) -> bool:
    """Whether the last record that was read is still the one at its offset."""
    consumer.seek(partition, progress.next_offset - progress.base - 1)
    async with asyncio.timeout(_PATIENCE_S):
        r = await consumer.getone(partition)
    record = Record(r.topic, r.partition, r.offset, r.key, r.value or b"", r.timestamp)
    return fingerprint(record) == progress.last_record
