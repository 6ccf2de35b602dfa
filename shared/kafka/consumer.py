"""The one Kafka loop. It knows topics, offsets, batches, errors and deadlines, and nothing of leads.

Offsets live in Postgres, in the transaction of what was made of the batch (DESIGN section 5). A batch must begin
exactly where the database says, and its end is set only if nobody else moved it: that catches a missed seek as well
as a process that lost its partition without noticing. What is committed but not yet told is told on assignment.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import log
from shared.backoff import exponential
from shared.db import offsets
from shared.db.offsets import Mark, Move, Place
from shared.db.transient import is_transient
from shared.errors import FirsthourError, Halted, Permanent, Transient
from shared.kafka.dead_letters import DeadLetterLimit, as_message, as_row
from shared.kafka.loop_metrics import LoopMetrics
from shared.kafka.producer import Producer
from shared.kafka.records import DeadLetter, Handled, Outgoing, Record
from shared.kafka.topics import MAX_MESSAGE_BYTES
from shared.pause import pause

_LOG = log.get(__name__)
_POLL_MS: Final = 200
_STOP_S: Final = 5.0
_WATCH_S: Final = 10.0
_STALLED_S: Final = 60.0
_SLACK: Final = 2048  # bytes of a message that are not its value


class Handler(Protocol):
    """What a service makes of records. It never sees an offset move."""

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        """Do the batch inside its transaction. Raise Transient to have it repeated after a wait."""
        ...

    async def unpublished(
        self, conn: AsyncConnection, topic: str, partition: int, first: int, end: int
    ) -> Sequence[Outgoing]:
        """What was stored to be published for offsets `first <= offset < end`, byte for byte, in order."""
        ...


class Stalled(FirsthourError):  # noqa: N818 - reads as what happened
    """There is lag and no progress: the process exits, and whoever watches it starts it anew."""


class _GiveUp(Exception):  # noqa: N818 - never leaves this module
    """The partitions are not where this process believes: read the marks again."""


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """Only notes what changed: aiokafka swallows whatever is raised here, so the work is done in the loop."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.to_adopt: set[TopicPartition] = set()
        self.joined = False

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.to_adopt.difference_update(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        partitions = list(assigned)
        for partition in partitions:
            self._consumer.seek(partition, 0)  # any position: with none, aiokafka would ask Kafka for one
        if partitions:
            self._consumer.pause(*partitions)
        self.to_adopt = set(partitions)
        self.joined = True


class ConsumerLoop:
    """Consumes `live` topics before `bulk` ones, a batch in a transaction, and publishes what came of it."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        bootstrap: str,
        group: str,
        instance: str,
        live: Sequence[str],
        bulk: Sequence[str],
        handler: Handler,
        producer: Producer,
        dead_letters: str,
        registry: CollectorRegistry | None = None,
        max_records: int = 1000,
        max_bulk_records: int = 500,
        limit: DeadLetterLimit | None = None,
        on_commit: Callable[[], None] | None = None,
        stalled_s: float = _STALLED_S,
    ) -> None:
        """`instance` stays over restarts, so that a restarted process has its partitions back at once.

        With lag and no progress for `stalled_s` seconds, `run` raises Stalled.
        """
        self._stalled_s = stalled_s
        self._engine = engine
        self._bootstrap = bootstrap
        self._group = group
        self._instance = instance
        self._live = frozenset(live)
        self._topics = [*live, *bulk]
        self._handler = handler
        self._producer = producer
        self._dead_letters = dead_letters
        self._max_records = max_records
        self._max_bulk_records = max_bulk_records
        self._limit = limit or DeadLetterLimit()
        self._on_commit = on_commit
        self._metrics = LoopMetrics(registry or CollectorRegistry())
        self._marks: dict[Place, Mark] = {}
        self._ahead: set[Place] = set()  # places whose published mark is ahead of the database's
        self._publishing: asyncio.Task[None] | None = None
        self._trouble: str | None = "not yet connected"
        self._halted: str | None = None
        self._progress = 0.0

    def missing(self) -> list[str]:
        """What keeps it from consuming; empty when it is at work."""
        unreachable = None if self._producer.ready else "Kafka is not reachable"
        return [f"{self._group}: {reason}" for reason in (self._halted, self._trouble or unreachable) if reason]

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until `stopping` is set. Raises Stalled when there is lag and no progress."""
        attempt = 0
        while not stopping.is_set():
            try:
                await self._connected(stopping)
            except Halted as error:
                self._halted = str(error)
                _LOG.error("consumer_halted", group=self._group, reason=str(error))
                await stopping.wait()
            except Exception as error:
                if not _passes(error):
                    raise
                self._trouble = f"waiting for a dependency ({type(error).__name__})"
                _LOG.warning("consumer_waits", group=self._group, reason=log.reason(error))
                wait = exponential(attempt, jitter=random.random(), longest=5.0)  # noqa: S311 - dice, not a secret
                attempt = attempt + 1 if self._progress == 0.0 else 0
                self._progress = 0.0
                await pause(stopping, wait)

    async def _connected(self, stopping: asyncio.Event) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=self._instance,
            group_id=self._group,
            group_instance_id=self._instance,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=15_000,
            heartbeat_interval_ms=3_000,
            rebalance_timeout_ms=60_000,
            max_poll_interval_ms=300_000,
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
            metadata_max_age_ms=60_000,
        )
        assignment = _Assignment(consumer)
        consumer.subscribe(self._topics, listener=assignment)
        try:
            async with asyncio.timeout(30):
                await consumer.start()
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(self._watch(consumer))
                await self._consume(consumer, assignment, stopping)
                watch.cancel()
        except BaseExceptionGroup as group:
            raise _most_telling(group) from group
        finally:
            await self._quiet()
            self._marks.clear()
            self._ahead.clear()
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await consumer.stop()

    async def _consume(self, consumer: AIOKafkaConsumer, assignment: _Assignment, stopping: asyncio.Event) -> None:
        give_ups = 0
        while not stopping.is_set():
            try:
                if assignment.to_adopt:
                    await self._adopt(consumer, assignment)
                if assignment.joined and not give_ups:
                    self._trouble = None
                records = await self._next(consumer)
                if records:
                    with self._metrics.batch(len(records)):
                        await self._settle(records)
                    self._progress, give_ups = asyncio.get_running_loop().time(), 0
                else:
                    await self._remember_told()
            except OffsetOutOfRangeError as error:
                raise Halted(
                    "Kafka no longer holds the next offset of "
                    + ", ".join(f"{p.topic}/{p.partition} ({o})" for p, o in error.args[0].items())
                ) from None
            except _GiveUp as error:
                _LOG.warning("partitions_given_up", group=self._group, reason=str(error))
                await self._quiet()
                _hold(consumer, assignment)
                if give_ups:  # the first time, at once: another process was only faster
                    self._trouble = f"repeating a batch: {error}"
                    await pause(stopping, exponential(give_ups, jitter=random.random(), longest=5.0))  # noqa: S311
                give_ups += 1
        with contextlib.suppress(_GiveUp):
            await self._remember_told()

    async def _adopt(self, consumer: AIOKafkaConsumer, assignment: _Assignment) -> None:
        """Take up partitions where the database says they are, after telling what has not been told."""
        await self._quiet()
        adopting = set(assignment.to_adopt)
        firsts = await consumer.beginning_offsets(list(adopting))
        async with self._engine.begin() as conn:
            marks = await offsets.claim(conn, {(p.topic, p.partition): first for p, first in firsts.items()})
        for partition, first in firsts.items():
            place, mark = (partition.topic, partition.partition), marks[partition.topic, partition.partition]
            if mark.next_offset < first:
                raise Halted(
                    f"{first - mark.next_offset} records of {place[0]}/{place[1]} were dropped by Kafka's retention "
                    f"before they were consumed; set next_offset to {first} to go on without them"
                )
            if mark.published < mark.next_offset:
                await self._tell_again(place, mark)
                marks[place] = Mark(mark.next_offset, mark.next_offset)
        if not adopting <= consumer.assignment() or assignment.to_adopt != adopting:
            return  # reassigned meanwhile: the next round adopts what is now ours
        self._marks = {p: m for p, m in self._marks.items() if TopicPartition(*p) in consumer.assignment()}
        self._marks |= marks
        for partition in adopting:
            consumer.seek(partition, marks[partition.topic, partition.partition].next_offset)
        consumer.resume(*adopting)
        assignment.to_adopt -= adopting
        _LOG.info("partitions_adopted", group=self._group, partitions=len(adopting))

    async def _tell_again(self, place: Place, mark: Mark) -> None:
        first, end = mark.published, mark.next_offset
        async with self._engine.begin() as conn:
            outgoing = list(await self._handler.unpublished(conn, *place, first, end))
            dead = await offsets.buried(conn, place, first, end)
        outgoing += [as_message(row, self._dead_letters, self._group) for row in dead]
        await self._producer.send_all(outgoing)
        async with self._engine.begin() as conn:
            await offsets.mark_published(conn, {place: end})
        _LOG.info(
            "published_again",
            topic=place[0],
            partition=place[1],
            first=first,
            end=end,
            messages=len(outgoing),
        )

    async def _next(self, consumer: AIOKafkaConsumer) -> list[Record]:
        live = [partition for partition in consumer.assignment() if partition.topic in self._live]
        fetched = await consumer.getmany(*live, timeout_ms=0, max_records=self._max_records) if live else {}
        if not fetched:
            fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=self._max_bulk_records)
        ordered = sorted(fetched.items(), key=lambda item: (item[0].topic not in self._live, item[0]))
        return [
            Record(r.topic, r.partition, r.offset, r.key, r.value if r.value is not None else b"", r.timestamp)
            for _, records in ordered
            for r in records
        ]

    async def _settle(self, records: Sequence[Record]) -> None:
        """Commit the batch; should one record make it impossible, halve it until that one is alone."""
        try:
            await self._transact(records, None)
        except (_GiveUp, Halted):
            raise
        except Exception as error:
            if _passes(error):
                raise _GiveUp(f"to be repeated: {type(error).__name__}: {log.reason(error)}") from error
            if len(records) > 1:
                middle = len(records) // 2
                await self._settle(records[:middle])
                await self._settle(records[middle:])
                return
            _LOG.error("record_cannot_work", topic=records[0].topic, partition=records[0].partition,
                       offset=records[0].offset, error=type(error).__name__)  # fmt: skip
            reason = (
                str(error) if isinstance(error, Permanent) else f"the event made the batch fail: {type(error).__name__}"
            )
            await self._transact(records, DeadLetter(records[0], type(error).__name__, reason))

    async def _transact(self, records: Sequence[Record], dead: DeadLetter | None) -> None:
        moves = self._moves(records)
        async with self._engine.begin() as conn:
            handled = await self._handler.handle(conn, records) if dead is None else Handled(dead=(dead,))
            if any(len(out.value) > MAX_MESSAGE_BYTES - _SLACK for out in handled.outgoing):
                raise Permanent("what comes of it is larger than a Kafka message may be")
            rows = [as_row(letter) for letter in handled.dead]
            self._limit.check(records=len(records), dead=len(rows), reason=rows[-1].reason if rows else "")
            if rows:
                await offsets.bury(conn, rows)
            if not await offsets.move(conn, moves):
                raise _GiveUp("another process moved the offset")
        for move in moves:
            self._marks[move.topic, move.partition] = Mark(move.next_offset, move.published)
        self._limit.count(records=len(records), dead=len(rows))
        self._metrics.dead(len(rows))
        if self._on_commit is not None:
            self._on_commit()
        outgoing = [*handled.outgoing, *(as_message(row, self._dead_letters, self._group) for row in rows)]
        await self._told()
        # The next batch is read and folded while this one is being acknowledged; its own publishing waits for this.
        self._publishing = asyncio.create_task(self._tell(outgoing, moves))

    def _moves(self, records: Sequence[Record]) -> list[Move]:
        ends: dict[Place, tuple[int, int]] = {}
        for record in records:
            place = (record.topic, record.partition)
            mark = self._marks.get(place)
            first, expected = ends.get(place) or ((mark.next_offset, mark.next_offset) if mark else (-1, -1))
            if record.offset != expected:
                raise _GiveUp(f"read offset {record.offset} of {place[0]}/{place[1]} where {expected} was due")
            ends[place] = (first, expected + 1)
        return [
            Move(place[0], place[1], first, end, self._marks[place].published) for place, (first, end) in ends.items()
        ]

    async def _tell(self, outgoing: Sequence[Outgoing], moves: Sequence[Move]) -> None:
        await self._producer.send_all(outgoing)
        for move in moves:
            mark = self._marks.get((move.topic, move.partition))
            if mark is not None and mark.next_offset >= move.next_offset:
                self._marks[move.topic, move.partition] = Mark(mark.next_offset, move.next_offset)
                self._ahead.add((move.topic, move.partition))

    async def _told(self) -> None:
        """Wait for the acknowledgement of the batch before; give up if it failed, so that it is told again."""
        task, self._publishing = self._publishing, None
        if task is None:
            return
        try:
            await task
        except Transient as error:
            raise _GiveUp(str(error)) from error

    async def _remember_told(self) -> None:
        """When there is nothing to do: move the published marks, so that a restart has nothing to tell again."""
        await self._told()
        if not self._ahead:
            return
        told = {place: self._marks[place].published for place in self._ahead if place in self._marks}
        async with self._engine.begin() as conn:
            await offsets.mark_published(conn, told)
        self._ahead.clear()

    async def _quiet(self) -> None:
        """End the publishing under way, whatever came of it: the marks in the database decide what is told again."""
        task, self._publishing = self._publishing, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        loop = asyncio.get_running_loop()
        seen: dict[Place, int] = {}
        since = loop.time()
        while True:
            await asyncio.sleep(min(_WATCH_S, self._stalled_s / 4))
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(_WATCH_S):
                    ends = await consumer.end_offsets(list(consumer.assignment()))
                lag = {p: end - self._marks[place].next_offset for p, end in ends.items()
                       if (place := (p.topic, p.partition)) in self._marks}  # fmt: skip
                self._metrics.lag(lag)
                now = {place: mark.next_offset for place, mark in self._marks.items()}
                if now != seen or not any(lag.values()) or self._trouble:
                    seen, since = now, loop.time()
                elif loop.time() - since > self._stalled_s:
                    raise Stalled(
                        f"{self._group}: {sum(lag.values())} records behind and none done in {self._stalled_s:.0f} s"
                    )


def _hold(consumer: AIOKafkaConsumer, assignment: _Assignment) -> None:
    """Stop reading every partition until it has been adopted anew."""
    mine = consumer.assignment()
    if mine:
        consumer.pause(*mine)
    assignment.to_adopt = set(mine)


def _passes(error: BaseException) -> bool:
    """Whether waiting and trying again may help."""
    return isinstance(error, Transient | KafkaError) or is_transient(error)


def _most_telling(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error of a task group that decides what is done next."""
    flat = [_most_telling(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((e for e in flat if not _passes(e)), flat[0])
