"""The one Kafka loop: adopts topic partitions at the progress stored in the database, and reads the live lane first.

It knows topics, offsets, batches, errors and deadlines, but nothing of leads. Offsets live in Postgres, in the
transaction of what was made of the batch (DESIGN section 5): see batches.py for that, publishing.py for what comes
after the commit, and watchdog.py for a consumer that stalls silently.
"""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import log
from shared.backoff import exponential
from shared.db.tables import dead_letters, offsets
from shared.errors import Transient
from shared.kafka.access import OPEN, Access
from shared.kafka.dead_letters import as_message
from shared.kafka.loop.assignment import Assignment
from shared.kafka.loop.batches import Batches, GiveUp, MustHalt
from shared.kafka.loop.bulk_size import BulkSize
from shared.kafka.loop.lanes import Lanes
from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.loop.patience import SOON_MS, Patience
from shared.kafka.loop.position import ANEW, Found, judge
from shared.kafka.loop.publishing import Publishing
from shared.kafka.loop.reading import Reading
from shared.kafka.loop.repeats import Repeats
from shared.kafka.loop.watchdog import watch
from shared.kafka.producer import Producer
from shared.kafka.records import HandleAtOnce, Handler, Record
from shared.kafka.stopping import stop_consumer
from shared.kafka.topics import MAX_MESSAGE_BYTES
from shared.kafka.transient import most_telling, passes
from shared.runtime.pause import pause

_LOG = log.get(__name__)
_STALLED_S: Final = 60.0
_SURE: Final = 3  # how often a log must be seen to end too early before it counts as another log


class ConsumerLoop:
    """Consumes `live` topics before `bulk` ones in batches (batches.py), and publishes the results."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        bootstrap: str,
        service: str,
        group: str,
        instance: str,
        live: Sequence[str],
        bulk: Sequence[str],
        handler: Handler,
        at_once: HandleAtOnce | None = None,
        producer: Producer,
        dead_letters: str,
        registry: CollectorRegistry | None = None,
        max_records: int = 1000,
        max_bulk_records: int = 500,
        stalled_s: float = _STALLED_S,
        access: Access = OPEN,
    ) -> None:
        """`instance` survives restarts, so that a restarted process gets its partitions back at once.

        With lag and no progress for `stalled_s` seconds, `run` raises Stalled.
        """
        self._engine = engine
        self._bootstrap = bootstrap
        self._access = access
        self._service = service
        self._group = group
        self._instance = instance
        self._topics = [*live, *bulk]
        self._handler = handler
        self._producer = producer
        self._dead_letters = dead_letters
        self._max_records = max_records
        self._bulk_size = BulkSize(max_bulk_records)
        self._stalled_s = stalled_s
        self._metrics = LoopMetrics(registry or CollectorRegistry())
        self._lanes = Lanes(engine, service, live, self._metrics)
        self._publishing = Publishing(engine, producer)
        self._batches = Batches(
            engine, handler, self._publishing, self._lanes, self._metrics,
            dead_letters=dead_letters, group=group, at_once=at_once,
        )  # fmt: skip
        self._trouble: str | None = "not yet connected"
        self._repeats = Repeats()
        self._progress = 0.0

    def missing(self) -> list[str]:
        """What keeps it from consuming the live lane; empty when it consumes."""
        trouble = self._trouble or (None if self._producer.ready else "Kafka is not reachable")
        return [*self._lanes.reasons("live"), *([f"{self._service}: {trouble}"] if trouble else [])]

    def attention(self) -> list[str]:
        """What needs a person although the live lane goes on."""
        return self._lanes.reasons("bulk")

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until `stopping` is set. Raises Stalled when there is lag and no progress."""
        attempt = 0
        while not stopping.is_set():
            try:
                await self._connected(stopping)
            except Exception as error:
                if not passes(error):
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
            fetch_max_wait_ms=SOON_MS,
            consumer_timeout_ms=1000,  # how long its fetcher sleeps at most; it is woken for whatever there is to do
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
            metadata_max_age_ms=60_000,
            **self._access.arguments(),
        )
        assignment = Assignment(consumer)
        consumer.subscribe(self._topics, listener=assignment)
        try:
            async with asyncio.timeout(30):
                await consumer.start()
            async with asyncio.TaskGroup() as tasks:
                reading = Reading(consumer, self._lanes, self._batches.next)
                watching = tasks.create_task(
                    watch(consumer, reading.positions, self._moving, self._metrics, stalled_s=self._stalled_s)
                )
                await self._consume(consumer, assignment, reading, stopping)
                watching.cancel()
        except BaseExceptionGroup as group:
            raise most_telling(group) from group
        finally:
            await self._publishing.forget()
            self._batches.next.clear()
            await stop_consumer(consumer)

    def _moving(self, partition: TopicPartition) -> bool:
        return self._trouble is None and not self._lanes.halted(self._lanes.of(partition.topic))

    async def _consume(
        self, consumer: AIOKafkaConsumer, assignment: Assignment, reading: Reading, stopping: asyncio.Event
    ) -> None:
        self._repeats.settled()
        now = asyncio.get_running_loop().time
        patience = Patience(consumer, now())
        while not stopping.is_set():
            records: list[Record] = []
            try:
                if changed := await self._lanes.look():
                    assignment.hold(p for p in consumer.assignment() if self._lanes.of(p.topic) in changed)
                if assignment.to_adopt:
                    await self._adopt(consumer, assignment, reading)
                if assignment.joined and not self._repeats.count:
                    self._trouble = None
                records = await reading.batch(
                    most=self._repeats.most(self._max_records),  # a batch that failed is halved at each repeat
                    most_bulk=self._repeats.most(self._bulk_size.records(now())),
                    wait_ms=patience.ms,
                )
                patience.read(len(records), now())
                if records:
                    with reading.ahead(self._max_records):
                        await self._settle(records)
                else:
                    await self._publishing.remember()
                    self._repeats.nothing_read(at_rest=patience.rests)
            except MustHalt as halt:
                await self._lanes.halt(halt.lane, halt.cause, halt.reason)
                with contextlib.suppress(Transient):
                    await self._publishing.remember()  # so that what was committed before is not published again
                await self._start_over(consumer, assignment)
                self._repeats.settled()
            except (GiveUp, Transient, OffsetOutOfRangeError) as error:
                _LOG.warning("partitions_given_up", group=self._group, reason=log.reason(error))
                await self._start_over(consumer, assignment)
                if self._repeats.count:  # retry at once the first time: another process was faster
                    self._trouble = f"repeating a batch: {log.reason(error)}"
                    wait = exponential(self._repeats.count, jitter=random.random(), longest=5.0)  # noqa: S311 - dice
                    await pause(stopping, wait)
                self._repeats.failed(batch=bool(records))
        with contextlib.suppress(Transient):
            await self._publishing.remember()

    async def _settle(self, records: Sequence[Record]) -> None:
        now = asyncio.get_running_loop().time
        began = now()
        with self._metrics.batch(records):
            await self._batches.settle(records)
        self._progress = now()
        live = sum(self._lanes.of(record.topic) == "live" for record in records)
        self._bulk_size.settled(live=live, bulk=len(records) - live, took=self._progress - began, now=self._progress)
        self._repeats.settled()

    async def _start_over(self, consumer: AIOKafkaConsumer, assignment: Assignment) -> None:
        """Adopt every partition again from the database."""
        await self._publishing.drop()
        assignment.hold(consumer.assignment())

    async def _adopt(self, consumer: AIOKafkaConsumer, assignment: Assignment, reading: Reading) -> None:
        """Adopt partitions at their stored progress, after republishing what was committed and not published."""
        await self._publishing.drop()
        adopting = set(assignment.to_adopt)
        firsts = await consumer.beginning_offsets(list(adopting))
        ends = await consumer.end_offsets(list(adopting))
        async with self._engine.begin() as conn:
            progress = await offsets.claim(conn, firsts)
        for partition in sorted(adopting):
            mark = progress[partition]
            if mark.published < mark.next_offset:
                await self._publish_again(partition, mark.published, mark.next_offset)
        if not adopting <= consumer.assignment() or assignment.to_adopt != adopting:
            return  # reassigned meanwhile: the next round adopts what we have then
        found = {p: judge(progress[p], first=firsts[p], end=ends[p]) for p in adopting}
        for partition in sorted(adopting):
            self._look_at(partition, found[partition])
        for lost in self._batches.next.keys() - consumer.assignment():
            del self._batches.next[lost]
        for partition in adopting:
            mark = progress[partition]
            self._batches.next[partition] = mark.next_offset
            self._publishing.begin({partition: mark.next_offset})
            reading.begin(partition, mark, compare=found[partition] == "to compare")
        assignment.to_adopt -= adopting
        _LOG.info("partitions_adopted", group=self._group, partitions=len(adopting))

    def _look_at(self, partition: TopicPartition, found: Found) -> None:
        """Raises MustHalt when it is another log than before, unless its lane is halted already."""
        lane, where = self._lanes.of(partition.topic), f"{partition.topic}/{partition.partition}"
        if found in ("goes on", "to compare") or self._lanes.halted(lane):
            return
        if found == "lost records":
            raise MustHalt(lane, "position", f"Kafka dropped records of {where} before they were consumed")
        if self._repeats.count < _SURE:  # a broker that has just become leader may not know the end yet
            raise GiveUp(f"{where} ends before the next record")
        raise MustHalt(lane, "position", ANEW.format(where))

    async def _publish_again(self, partition: TopicPartition, first: int, end: int) -> None:
        async with self._engine.begin() as conn:
            outgoing = list(await self._handler.unpublished(conn, partition.topic, partition.partition, first, end))
            dead = await dead_letters.between(conn, partition, first, end)
        outgoing += [as_message(row, self._dead_letters, self._group) for row in dead]
        await self._publishing.again(outgoing, partition, end)
        _LOG.info("published_again", topic=partition.topic, partition=partition.partition, first=first, end=end,
                  messages=len(outgoing))  # fmt: skip
