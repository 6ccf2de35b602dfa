"""A producer with acks=all and a deadline around everything, rebuilt when it wedges.

Idempotence is off on purpose: the event id makes a copy harmless, and with idempotence on, aiokafka's batches never
expire while Kafka is down (its issues 1101 and 1017).
"""

import asyncio
import random
import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared import log
from shared.backoff import exponential
from shared.errors import Permanent, Transient
from shared.kafka.access import OPEN, Access
from shared.kafka.partition_queue import PartitionQueue
from shared.kafka.records import Outgoing
from shared.kafka.stopping import stop_producer
from shared.kafka.topics import MAX_MESSAGE_BYTES
from shared.runtime.pause import pause

_LOG = log.get(__name__)
_LARGEST: Final = MAX_MESSAGE_BYTES - 4096  # headers and the batch around it need room too
_BATCH_BYTES: Final = 262_144  # below the topics' max.message.bytes, or the broker would refuse a full batch


def partition_of(key: bytes | None, partitions: Sequence[int], _available: Sequence[int]) -> int:
    """The partition of a key: CRC32, as librdkafka's `consistent`. It must never change, or contacts change theirs.

    aiokafka's own is in pure Python and takes a tenth of an event's time. A message without a key goes anywhere.
    """
    number = zlib.crc32(key) if key is not None else random.getrandbits(32)
    return partitions[number % len(partitions)]


def too_large(outgoing: Outgoing) -> bool:
    """Whether it exceeds what our topics accept."""
    return len(outgoing.value) + len(outgoing.key or b"") > _LARGEST


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
        access: Access = OPEN,
    ) -> None:
        """Nothing connects before `run`. With `max_in_flight` sends in flight, a further one is refused.

        aiokafka reserves `batch_bytes` for each batch: choose a small one for single sends, a large one for many.
        """
        self._batch_bytes = batch_bytes
        self._bootstrap = bootstrap
        self._access = access
        self._client_id = client_id
        self._deadline_s = deadline_s
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._producer: AIOKafkaProducer | None = None
        self._partitions: dict[str, list[int]] = {}  # as of when we connected
        self._queues: dict[tuple[str, int], PartitionQueue] = {}
        self._broken = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether it is connected now."""
        return self._producer is not None

    async def run(self, stopping: asyncio.Event) -> None:
        """Connect, and reconnect whenever the connection is lost or wedged, until `stopping` is set."""
        attempt = 0
        while not stopping.is_set():
            producer = self._make()
            try:
                async with asyncio.timeout(self._deadline_s):
                    await producer.start()
            except (KafkaError, OSError, TimeoutError) as error:
                await stop_producer(producer)
                if attempt == 0:
                    _LOG.warning("kafka_unreachable", reason=type(error).__name__)
                wait = exponential(attempt, jitter=random.random(), longest=2.0)  # noqa: S311 - dice, not a secret
                attempt += 1
                await pause(stopping, wait)
                continue
            attempt = 0
            self._broken.clear()
            self._producer = producer
            await self._watch(stopping)
            self._producer = None
            queues, self._queues, self._partitions = self._queues, {}, {}
            for queue in queues.values():
                await queue.close()
            await stop_producer(producer)

    async def _watch(self, stopping: asyncio.Event) -> None:
        """Give up on what Kafka has not acknowledged in time; return when the connection is to be closed."""
        loop = asyncio.get_running_loop()
        ends = [asyncio.ensure_future(event.wait()) for event in (stopping, self._broken)]
        try:
            while not any(end.done() for end in ends):
                # Whatever begins while nothing is in flight is looked at before its deadline, and often from then on.
                busy = any(queue.busy for queue in self._queues.values())
                wait = self._deadline_s / 10 if busy else self._deadline_s * 0.8
                await asyncio.wait(ends, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                for queue in self._queues.values():
                    queue.give_up_what_began_before(loop.time() - self._deadline_s)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

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
            **self._access.arguments(),
        )

    async def send(self, outgoing: Outgoing) -> None:
        """Return once the broker has acknowledged (acks=all).

        Raises Transient when that takes longer than the deadline (it may have been written all the same: send the
        same id again), and Permanent when the message is too large for the topic.
        """
        producer = self._producer
        if producer is None:
            raise Transient("Kafka is not reachable")
        if too_large(outgoing):
            raise Permanent("larger than a Kafka message may be")
        if self._in_flight >= self._max_in_flight:
            raise Transient("too many messages in flight to Kafka")
        self._in_flight += 1
        try:
            partitions = self._partitions.get(outgoing.topic) or await self._find_partitions(producer, outgoing.topic)
            partition = partition_of(outgoing.key, partitions, partitions)
            await self._queue(producer, outgoing.topic, partition).put((outgoing,))
        finally:
            self._in_flight -= 1

    def _queue(self, producer: AIOKafkaProducer, topic: str, partition: int) -> PartitionQueue:
        queue = self._queues.get((topic, partition))
        if queue is None:
            queue = self._queues[topic, partition] = PartitionQueue(
                producer, topic, partition, on_failure=self._broken.set
            )
        return queue

    async def _find_partitions(self, producer: AIOKafkaProducer, topic: str) -> list[int]:
        """The topic's partitions, cached for this connection. Raises Transient."""
        try:
            async with asyncio.timeout(self._deadline_s):
                partitions = sorted(await producer.partitions_for(topic))
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            self._broken.set()
            raise Transient(f"Kafka did not list the topic's partitions: {type(error).__name__}") from error
        if self._producer is not producer:
            raise Transient("the connection to Kafka was given up")
        self._partitions[topic] = partitions
        return partitions

    async def send_all(self, outgoing: Sequence[Outgoing]) -> None:
        """Publish many, in order per partition, batched; return once all are acknowledged. Raises as `send`."""
        producer = self._producer
        if producer is None:
            raise Transient("Kafka is not reachable")
        placed: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        for message in outgoing:
            topic = message.topic
            partitions = self._partitions.get(topic) or await self._find_partitions(producer, topic)
            placed[topic, partition_of(message.key, partitions, partitions)].append(message)
        # Partitions are sent concurrently; all are awaited, so that nothing is in flight once one has failed.
        sent = [self._queue(producer, *place).put(messages) for place, messages in placed.items()]
        for failed in await asyncio.gather(*sent, return_exceptions=True):
            if failed is not None:
                raise failed
