"""Gathers what many senders have for one partition while its last batch is under way, and sends that as one.

aiokafka's own `send` makes each message a few coroutines, a timer and a future; a batch of its makes one for all.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer

from shared.errors import Transient
from shared.kafka.records import Outgoing

_MOST: Final = 1000  # messages of one batch


class _Waiting(NamedTuple):
    messages: Sequence[Outgoing]
    acknowledged: asyncio.Future[None]


class PartitionQueue:
    """One partition's messages, sent in the order in which they came, one batch at a time."""

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, partition: int, *, on_failure: Callable[[], None]
    ) -> None:
        """`on_failure` is called when a batch was not acknowledged: the producer may be wedged."""
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._on_failure = on_failure
        self._waiting: list[_Waiting] = []
        self._loop = asyncio.get_running_loop()
        self._something = asyncio.Event()
        self._began: float | None = None  # by the loop's clock, when the batch under way was begun
        self._overdue = False
        self._task = self._loop.create_task(self._run(), name=f"produce-{topic}-{partition}")

    def put(self, messages: Sequence[Outgoing]) -> asyncio.Future[None]:
        """A future that is done once the broker has acknowledged them all; it fails with Transient."""
        acknowledged: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(_Waiting(messages, acknowledged))
        self._something.set()
        return acknowledged

    def give_up_what_began_before(self, moment: float) -> None:
        """Fail the batch under way, and what waits behind it, when it was begun before (by the loop's clock).

        Who owns the queues asks this of each now and then: a timer for each batch would cost as much as a message.
        """
        if self._began is not None and self._began < moment and not self._overdue:
            self._overdue = True
            self._task.cancel()

    async def close(self) -> None:
        """Stop; whoever still waits is told that it failed."""
        self._overdue = False
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._fail(self._waiting, Transient("the connection to Kafka was given up"))
        self._waiting = []

    async def _run(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._waiting:
                these = self._next()
                try:
                    await self._send([message for each in these for message in each.messages])
                except Exception as error:  # noqa: BLE001 - a queue that ended would let its senders wait for ever
                    # What came meanwhile has waited as long: it fails as well, and goes to the spool in its order.
                    these, self._waiting = these + self._waiting, []
                    self._fail(these, Transient(f"Kafka did not acknowledge: {type(error).__name__}"))
                    self._on_failure()
                except asyncio.CancelledError:
                    self._fail(these, Transient("the connection to Kafka was given up"))
                    raise
                else:
                    for each in these:
                        if not each.acknowledged.done():
                            each.acknowledged.set_result(None)

    async def _send(self, messages: Sequence[Outgoing]) -> None:
        self._began = self._loop.time()
        try:
            await send_in_order(self._producer, self._topic, self._partition, messages)
        except asyncio.CancelledError:
            if not self._overdue:
                raise
            self._overdue = False
            self._task.uncancel()
            raise TimeoutError from None
        finally:
            self._began = None

    def _next(self) -> list[_Waiting]:
        """All that waits, or the first of it when that is very much."""
        count = taken = 0
        while taken < len(self._waiting) and count < _MOST:
            count += len(self._waiting[taken].messages)
            taken += 1
        these, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return these

    @staticmethod
    def _fail(waiting: Sequence[_Waiting], error: Transient) -> None:
        for each in waiting:
            if not each.acknowledged.done():
                each.acknowledged.set_exception(error)


async def send_in_order(producer: AIOKafkaProducer, topic: str, partition: int, messages: Sequence[Outgoing]) -> None:
    """Send to one partition in as few batches as hold the messages; return once all are acknowledged.

    Each batch once the one before is acknowledged: of two under way, the first might fail and the second not.
    """
    batch = producer.create_batch()
    for message in messages:
        if _append(batch, message):
            continue
        if batch.record_count():
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
        if not _append(batch, message):
            # Larger than a batch on its own: the ordinary way takes up to max_request_size.
            await producer.send_and_wait(
                topic, message.value, key=message.key, partition=partition, headers=list(message.headers)
            )
    if batch.record_count():
        await (await producer.send_batch(batch, topic, partition=partition))


def _append(batch: Any, message: Outgoing) -> bool:
    added = batch.append(key=message.key, value=message.value, timestamp=None, headers=list(message.headers))
    return added is not None
