"""A producer that keeps its promises: acks=all, a deadline around everything, rebuilt when it wedges.

Idempotence stays off on purpose: the event id is what makes a copy harmless, and with it on, aiokafka's batches
never expire while Kafka is down (its issues 1101 and 1017).
"""

import asyncio
import contextlib
import random
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from shared import log
from shared.backoff import exponential
from shared.errors import Permanent, Transient
from shared.kafka.records import Outgoing
from shared.kafka.topics import MAX_MESSAGE_BYTES
from shared.pause import pause

_LOG = log.get(__name__)
_STOP_S: Final = 5.0
_BATCH_BYTES: Final = 262_144  # below the topics' max.message.bytes, or a full batch would be refused whole


def partition_of(key: bytes | None, partitions: Sequence[int], _available: Sequence[int]) -> int:
    """The partition of a key: CRC32, as librdkafka's `consistent`. It must never change, or contacts change theirs.

    aiokafka's own is in pure Python and takes a tenth of an event's time. A message without a key goes anywhere.
    """
    number = zlib.crc32(key) if key is not None else random.getrandbits(32)
    return partitions[number % len(partitions)]


class Producer:
    """One connection to Kafka for publishing; `run` is a task of the service and keeps it alive."""

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        deadline_s: float = 5.0,
        max_in_flight: int = 10_000,
        batch_bytes: int = _BATCH_BYTES,
    ) -> None:
        """Nothing connects before `run`. Past `max_in_flight` sends under way, a further one is refused.

        aiokafka reserves `batch_bytes` for each batch it begins: small ones for single sends, large ones for many.
        """
        self._batch_bytes = batch_bytes
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._deadline_s = deadline_s
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._producer: AIOKafkaProducer | None = None
        self._broken = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether it is connected now."""
        return self._producer is not None

    async def run(self, stopping: asyncio.Event) -> None:
        """Connect, and connect anew whenever the connection is lost or wedged, until `stopping` is set."""
        attempt = 0
        while not stopping.is_set():
            producer = self._make()
            try:
                async with asyncio.timeout(self._deadline_s):
                    await producer.start()
            except (KafkaError, OSError, TimeoutError) as error:
                await self._discard(producer)
                if attempt == 0:
                    _LOG.warning("kafka_unreachable", reason=type(error).__name__)
                wait = exponential(attempt, jitter=random.random(), longest=2.0)  # noqa: S311 - dice, not a secret
                attempt += 1
                await pause(stopping, wait)
                continue
            attempt = 0
            self._broken.clear()
            self._producer = producer
            await _first(stopping.wait(), self._broken.wait())
            self._producer = None
            await self._discard(producer)

    def _make(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=False,
            linger_ms=0,
            max_batch_size=self._batch_bytes,
            partitioner=partition_of,
            max_request_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=int(self._deadline_s * 1000),
            metadata_max_age_ms=60_000,
            retry_backoff_ms=50,
        )

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        try:
            async with asyncio.timeout(_STOP_S):
                await producer.stop()
        except (KafkaError, OSError, TimeoutError):
            with contextlib.suppress(Exception):
                await producer.client.close()  # stop() hangs while Kafka is away; its sockets must not stay

    async def send(self, outgoing: Outgoing) -> None:
        """Return once the broker has acknowledged (acks=all).

        Raises Transient when it did not within the deadline (it may have been written all the same: send the same
        id again), and Permanent when the message is too large for the topic.
        """
        producer = self._producer
        if producer is None:
            raise Transient("Kafka is not reachable")
        if self._in_flight >= self._max_in_flight:
            raise Transient("too many messages under way to Kafka")
        self._in_flight += 1
        expiry: asyncio.TimerHandle | None = None
        try:
            # Until here aiokafka keeps its own time (request_timeout_ms); from here on, what it was given may hang.
            acknowledged = await producer.send(
                outgoing.topic, outgoing.value, key=outgoing.key, headers=list(outgoing.headers)
            )
            expiry = asyncio.get_running_loop().call_later(self._deadline_s, _expire, acknowledged)
            await acknowledged
        except MessageSizeTooLargeError:
            raise Permanent("larger than a Kafka message may be") from None
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            self._broken.set()
            raise Transient(f"Kafka did not acknowledge: {type(error).__name__}") from error
        finally:
            if expiry is not None:
                expiry.cancel()
            self._in_flight -= 1

    async def send_all(self, outgoing: Sequence[Outgoing]) -> None:
        """Publish many, in order per partition, batched; return once all are acknowledged. Raises as `send`."""
        if not outgoing:
            return
        producer = self._producer
        if producer is None:
            raise Transient("Kafka is not reachable")
        try:
            async with asyncio.timeout(self._deadline_s * 4):
                await self._send_batches(producer, outgoing)
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            self._broken.set()
            raise Transient(f"Kafka did not acknowledge: {type(error).__name__}") from error

    async def _send_batches(self, producer: AIOKafkaProducer, outgoing: Sequence[Outgoing]) -> None:
        placed: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        known: dict[str, list[int]] = {}
        for message in outgoing:
            partitions = known.get(message.topic)
            if partitions is None:
                partitions = known[message.topic] = sorted(await producer.partitions_for(message.topic))
            placed[message.topic, partition_of(message.key, partitions, partitions)].append(message)
        # One partition's batches follow each other; the partitions go side by side.
        await asyncio.gather(*(_send_partition(producer, place, these) for place, these in placed.items()))


def _expire(acknowledged: asyncio.Future[object]) -> None:
    """A deadline at a tenth of the cost of `asyncio.timeout`, which counts on the hot path."""
    if not acknowledged.done():
        acknowledged.set_exception(TimeoutError("no acknowledgement within the deadline"))


async def _send_partition(producer: AIOKafkaProducer, place: tuple[str, int], messages: Sequence[Outgoing]) -> None:
    topic, partition = place
    acknowledged = []
    batch = producer.create_batch()
    for message in messages:
        headers = list(message.headers)
        if batch.append(key=message.key, value=message.value, timestamp=None, headers=headers) is None:
            acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            if batch.append(key=message.key, value=message.value, timestamp=None, headers=headers) is None:
                # Larger than a batch on its own: the ordinary way takes up to max_request_size.
                acknowledged.append(
                    await producer.send(topic, message.value, key=message.key, partition=partition, headers=headers)
                )
    if batch.record_count():
        acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
    for future in acknowledged:
        await future


async def _first(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
