"""What one consumer reads: the live lane before the bulk one, from where each topic partition was left.

While a batch is settled it reads on in the live lane. A fetch ends with the first record that comes, and is not
repeated while that one waits to be read: what comes after it would have to wait for a batch more.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.db.tables.offsets import Progress
from shared.events.lanes import Lane
from shared.kafka.loop.batches import GiveUp, MustHalt
from shared.kafka.loop.lanes import Lanes
from shared.kafka.loop.position import ANEW, fingerprint
from shared.kafka.records import Record

_AHEAD_S: Final = 0.005  # how long what has come waits at most to be read while a batch is settled


class Reading:
    """Reads for one connection, and knows where each of its topic partitions is in Kafka's log."""

    def __init__(self, consumer: AIOKafkaConsumer, lanes: Lanes, following: Mapping[TopicPartition, int]) -> None:
        """`following`: the next offset of each partition, as it is known now. The consumer has been started."""
        self._consumer = consumer
        self._lanes = lanes
        self._following = following
        self._bases: dict[TopicPartition, int] = {}  # offsets before the present log
        self._unverified: dict[TopicPartition, bytes] = {}  # the fingerprint that the next record read must have
        self._ahead: dict[TopicPartition, list[ConsumerRecord]] = {}
        self.held = 0  # records of it
        self._failed: Exception | None = None
        # What waits to be read, bulk records above all, is not to keep others from being fetched: aiokafka lets it for
        # 100 ms, and takes this only when it is made. Each result has its own copy.
        consumer._fetcher._prefetch_backoff = _AHEAD_S  # noqa: SLF001

    @property
    def failed(self) -> bool:
        """Whether an error waits for the next `batch`."""
        return self._failed is not None

    def positions(self) -> dict[TopicPartition, int]:
        """The next offsets as Kafka counts them."""
        return {p: offset - self._bases[p] for p, offset in self._following.items()}

    def begin(self, partition: TopicPartition, progress: Progress, *, compare: bool) -> None:
        """Go on from this progress, whatever was read until now. `compare`: with the last record that was settled."""
        self._drop(partition)
        self._bases[partition] = progress.base
        self._unverified.pop(partition, None)
        position = progress.next_offset - progress.base
        if compare and progress.last_record is not None:
            self._unverified[partition] = progress.last_record
            position -= 1
        if not self._lanes.halted(self._lanes.of(partition.topic)):
            self._consumer.seek(partition, position)
            self._consumer.resume(partition)

    async def batch(self, *, most: int, most_bulk: int, wait_ms: int) -> list[Record]:
        """What comes next: of the live lane if it has anything, else what comes within the time.

        Raises GiveUp and MustHalt when it is not what has to come next.
        """
        if self._failed is not None:
            error, self._failed = self._failed, None
            raise error
        await self._read_live(most)
        for partition in self._ahead.keys() - (self._consumer.assignment() - self._consumer.paused()):
            self._drop(partition)  # it is another's now, or is held and begins anew
        fetched = self._taken(most)
        if not fetched:
            fetched = await self._consumer.getmany(timeout_ms=wait_ms, max_records=most_bulk)
        ordered = sorted(fetched.items(), key=lambda item: (self._lane(item[0]) == "bulk", item[0]))
        return [record for partition, some in ordered for record in self._records(partition, some)]

    @contextmanager
    def ahead(self, most: int) -> Iterator[None]:
        """While a batch is settled, read up to so many live records for the next."""
        task: asyncio.Task[None] | None = None

        def begin() -> None:
            nonlocal task
            task = asyncio.create_task(self._read_ahead(most))

        timer = asyncio.get_running_loop().call_later(_AHEAD_S, begin)  # most batches have ended before
        try:
            yield
        finally:
            timer.cancel()
            if task is not None:
                task.cancel()

    async def _read_ahead(self, most: int) -> None:
        """Until cancelled, which loses nothing: no record is between aiokafka and `_ahead` when it waits."""
        while self.held < most:
            try:
                await self._read_live(most)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next `batch` raises it
                self._failed = error
                return
            await asyncio.sleep(_AHEAD_S)

    async def _read_live(self, most: int) -> None:
        """Hold what has come in the live lane, so many records in all."""
        live = [partition for partition in self._consumer.assignment() if self._lane(partition) == "live"]
        if not live or self.held >= most:
            return
        fetched = await self._consumer.getmany(*live, timeout_ms=0, max_records=most - self.held)
        for partition, some in fetched.items():
            self._ahead.setdefault(partition, []).extend(some)
            self.held += len(some)

    def _taken(self, most: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Up to so many of what was read ahead."""
        taken: dict[TopicPartition, list[ConsumerRecord]] = {}
        for partition in list(self._ahead):
            some = self._ahead[partition]
            if most <= 0:
                break
            taken[partition], rest = some[:most], some[most:]
            most -= len(taken[partition])
            self.held -= len(taken[partition])
            if rest:
                self._ahead[partition] = rest
            else:
                del self._ahead[partition]
        return taken

    def _drop(self, partition: TopicPartition) -> None:
        self.held -= len(self._ahead.pop(partition, ()))

    def _lane(self, partition: TopicPartition) -> Lane:
        return self._lanes.of(partition.topic)

    def _records(self, partition: TopicPartition, read: Sequence[ConsumerRecord]) -> list[Record]:
        """The records as we count them, without the one that was settled before."""
        base = self._bases.get(partition, 0)
        records = [
            Record(r.topic, r.partition, r.offset + base, r.key, r.value or b"", r.timestamp, r.headers) for r in read
        ]
        return records[1:] if self._verified(partition, records[0]) else records

    def _verified(self, partition: TopicPartition, first: Record) -> bool:
        """Whether the first record read is the last one settled, read again. Raises MustHalt when they differ."""
        known = self._unverified.get(partition)
        if known is None:
            return False
        where = f"{partition.topic}/{partition.partition}"
        if first.offset != self._following[partition] - 1:
            raise GiveUp(f"{where} was read from the wrong place")
        if fingerprint(first) != known:
            raise MustHalt(self._lane(partition), "position", ANEW.format(where))
        del self._unverified[partition]
        return True
