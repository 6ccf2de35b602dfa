"""The dead letters of `firsthour.dead-letters`, and their way back to the topic that they came from."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from services.cli.service_database import connected
from services.cli.unreachable import Unreachable
from shared.db.services import SERVICES
from shared.db.tables import dead_letters
from shared.events.envelope import KAFKA_HEADERS
from shared.kafka.dead_letters import again
from shared.kafka.producer import Producer
from shared.kafka.records import Outgoing
from shared.kafka.topics import Topics
from shared.settings import Settings

_PATIENCE_S: Final = 15.0


class Letter(NamedTuple):
    """One dead letter. `id` is its service, lane, partition and position."""

    id: str
    service: str
    kind: str
    source: str
    error: str
    reason: str
    attempt: int
    failed_at: datetime
    first_failed_at: datetime
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    redriven_at: datetime | None = None


async def read(settings: Settings, *, since: datetime | None = None) -> list[Letter]:
    """All dead letters that failed after `since`, the oldest first, each once. Raises Unreachable."""
    try:
        found = [letter async for letter in _letters(settings, since)]
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unreachable(f"Kafka did not answer ({type(error).__name__}); see FIRSTHOUR_KAFKA") from None
    redriven: dict[tuple[str, str, int, int], datetime] = {}
    for service in SERVICES:
        async with connected(settings.database_url(), service) as conn:
            redriven |= {(service, *place): at for place, at in (await dead_letters.redriven(conn)).items()}
    once = {letter.id: letter for letter in reversed(found)}  # a copy may have been published again after a crash
    return sorted(
        (
            letter._replace(redriven_at=redriven.get((letter.service, letter.topic, letter.partition, letter.offset)))
            for letter in once.values()
        ),
        key=lambda letter: letter.failed_at,
    )


async def _letters(settings: Settings, since: datetime | None) -> AsyncIterator[Letter]:
    topics = Topics(settings.topic_prefix)
    topic, ours = topics.dead_letters, topics.retention_days().keys() - {topics.dead_letters}
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=settings.kafka,
        group_id=None,
        enable_auto_commit=False,
        **settings.kafka_access().arguments(),
    )
    async with asyncio.timeout(_PATIENCE_S):
        await consumer.start()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            partitions = list(consumer.assignment())
            if not partitions:
                return
            ends = await consumer.end_offsets(partitions)
            position = await consumer.beginning_offsets(partitions)
        for partition, offset in position.items():
            consumer.seek(partition, offset)
        while any(position[partition] < end for partition, end in ends.items()):
            async with asyncio.timeout(_PATIENCE_S):
                fetched = await consumer.getmany(timeout_ms=1000)
            for partition, records in fetched.items():
                position[partition] = records[-1].offset + 1
                for record in records:
                    letter = _letter(record, settings.topic_prefix)
                    if letter is not None and letter.topic in ours and (since is None or letter.failed_at >= since):
                        yield letter
    finally:
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await consumer.stop()


def _letter(record: Any, prefix: str) -> Letter | None:
    """What a record of the topic says; None for one that none of our consumers wrote."""
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    written = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    try:
        service, topic = headers["consumer"].removeprefix(prefix), headers["origin-topic"]
        partition, offset = int(headers["origin-partition"]), int(headers["origin-offset"])
        failed_at = datetime.fromisoformat(headers.get("failed-at") or written.isoformat())
        first = datetime.fromisoformat(headers.get("first-failed-at") or written.isoformat())
        attempt = int(headers.get("attempt", "1"))
    except (KeyError, ValueError):
        return None
    lane = "bulk" if topic.endswith(".bulk") else "live"
    error = headers.get("error-class", "unknown")
    return Letter(
        id=f"{service}/{lane}/{partition}/{offset}",
        service=service,
        kind=headers.get("error-kind") or ("permanent" if error == "Permanent" else "unforeseen"),
        source=headers.get("source", "unknown"),
        error=error,
        reason=headers.get("error-message", ""),
        attempt=attempt,
        failed_at=failed_at,
        first_failed_at=first,
        topic=topic,
        partition=partition,
        offset=offset,
        key=record.key,
        value=record.value or b"",
    )


async def redrive(settings: Settings, letters: Sequence[Letter]) -> tuple[list[str], list[str]]:
    """Send the original bytes again, each letter once; returns the ids sent and those that had been sent before.

    The event's id is in the bytes: should it be sent twice all the same, the consumer drops the copy. Raises
    Unreachable, and Transient when Kafka does not acknowledge; what was sent until then is marked.
    """
    sent: list[str] = []
    before: list[str] = []
    async with _producing(settings) as producer:
        for letter in letters:
            place = (letter.topic, letter.partition, letter.offset)
            async with connected(settings.database_url(), letter.service) as conn:
                if not await dead_letters.may_redrive(conn, *place):
                    before.append(letter.id)
                    continue
                headers = (*KAFKA_HEADERS, *again(letter.attempt, letter.first_failed_at))
                await producer.send(Outgoing(letter.topic, letter.key, letter.value, headers))
                await dead_letters.mark_redriven(conn, *place)
            sent.append(letter.id)
    return sent, before


@asynccontextmanager
async def _producing(settings: Settings) -> AsyncIterator[Producer]:
    stopping = asyncio.Event()
    producer = Producer(settings.kafka, client_id="firsthour-redrive", access=settings.kafka_access())
    running = asyncio.create_task(producer.run(stopping))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not producer.ready:
                await asyncio.sleep(0.02)
        yield producer
    except TimeoutError:
        raise Unreachable("Kafka did not answer; see FIRSTHOUR_KAFKA") from None
    finally:
        stopping.set()
        await running
