"""Gathers messages for one topic partition while its last batch is in flight, and sends them as the next batch.

aiokafka's own `send` costs several coroutines, a timer and a future per message; its batches cost one for all.
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
    """The messages of one topic partition, sent in order of arrival, one batch at a time."""

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, partition: int, *, on_failure: Callable[[], None]
    ) -> None:
        """`on_failure` is called when a batch was not acknowledged: the producer may be wedged."""
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._on_failure = on_failure
        self._waiting: list[_Waiting] = []
        self._under_way: list[_Waiting] = []
        self._open: Any = None  # the batch in flight: until aiokafka sends it, it takes more
        self._loop = asyncio.get_running_loop()
        self._something = asyncio.Event()
        self._began: float | None = None  # when the batch in flight was begun, by the event loop's clock
        self._overdue = False
        self._task = self._loop.create_task(self._run(), name=f"produce-{topic}-{partition}")

    def put(self, messages: Sequence[Outgoing]) -> asyncio.Future[None]:
        """A future that completes once the broker has acknowledged all of them, or fails with Transient."""
        waiting = _Waiting(messages, self._loop.create_future())
        if self._open is not None and len(messages) == 1 and not self._waiting and _append(self._open, messages[0]):
            self._under_way.append(waiting)
        else:
            self._waiting.append(waiting)
            self._something.set()
        return waiting.acknowledged

    @property
    def busy(self) -> bool:
        """Whether a batch is in flight."""
        return self._began is not None

    def give_up_what_began_before(self, moment: float) -> None:
        """Fail a batch that was begun before `moment` (by the event loop's clock), and all that waits behind it.

        The owner of the queues polls this: a timer per batch would cost as much as a message.
        """
        if self._began is not None and self._began < moment and not self._overdue:
            self._overdue = True
            self._task.cancel()

    async def close(self) -> None:
        """Stop, and fail everything that still waits."""
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
                self._under_way = self._next()
                try:
                    await self._send([message for each in self._under_way for message in each.messages])
                except Exception as error:  # noqa: BLE001 - a queue that ended would let its senders wait for ever
                    # What arrived meanwhile fails too, so that it goes to the spool in order.
                    failed, self._waiting = self._under_way + self._waiting, []
                    self._fail(failed, Transient(f"Kafka did not acknowledge: {type(error).__name__}"))
                    self._on_failure()
                except asyncio.CancelledError:
                    self._fail(self._under_way, Transient("the connection to Kafka was given up"))
                    raise
                else:
                    for each in self._under_way:
                        if not each.acknowledged.done():
                            each.acknowledged.set_result(None)

    def _next(self) -> list[_Waiting]:
        """Everything that waits, up to the limit of one batch."""
        count = taken = 0
        while taken < len(self._waiting) and count < _MOST:
            count += len(self._waiting[taken].messages)
            taken += 1
        these, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return these

    async def _send(self, messages: Sequence[Outgoing]) -> None:
        """Return once all are acknowledged. Raises TimeoutError when the deadline has passed."""
        self._began = self._loop.time()
        try:
            await self._send_in_order(messages)
        except asyncio.CancelledError:
            if not self._overdue:
                raise
            self._overdue = False
            self._task.uncancel()
            raise TimeoutError from None
        finally:
            self._began = self._open = None

    async def _send_in_order(self, messages: Sequence[Outgoing]) -> None:
        """Send them in as few batches as hold them.

        Each waits until the one before is acknowledged: of two in flight, the first could fail and the second not.
        """
        batch = self._producer.create_batch()
        for message in messages:
            if _append(batch, message):
                continue
            if batch.record_count():
                await self._acknowledged(batch)
                batch = self._producer.create_batch()
            if not _append(batch, message):
                # Larger than a whole batch: the ordinary send takes up to max_request_size.
                await self._producer.send_and_wait(
                    self._topic,
                    message.value,
                    key=message.key,
                    partition=self._partition,
                    headers=list(message.headers),
                )
                batch = self._producer.create_batch()
        if batch.record_count():
            self._open = batch
            await self._acknowledged(batch)

    async def _acknowledged(self, batch: Any) -> None:
        sent = await self._producer.send_batch(batch, self._topic, partition=self._partition)
        sent.add_done_callback(_retrieved)  # of one that was given up nobody else asks how it failed
        await asyncio.shield(sent)

    @staticmethod
    def _fail(waiting: Sequence[_Waiting], error: Transient) -> None:
        for each in waiting:
            if not each.acknowledged.done():
                each.acknowledged.set_exception(error)


def _retrieved(sent: asyncio.Future[Any]) -> None:
    if not sent.cancelled():
        sent.exception()


def _append(batch: Any, message: Outgoing) -> bool:
    """Whether the batch took it: a full one, or one already sent, does not."""
    added = batch.append(key=message.key, value=message.value, timestamp=None, headers=list(message.headers))
    return added is not None
