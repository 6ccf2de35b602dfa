"""Settles batches: results, dead letters and offsets are committed together or not at all, in one transaction.

Offsets move by compare-and-set. A batch that fails because of one record is halved until that record stands alone, so
that the good ones beside it are committed.

Between idle and flood it is the round trips that cost: where a handler can, a few records are looked at without a lock
and written with their offsets by one statement that stands alone. It fails if what was read has changed meanwhile;
then, and for everything else, there is the transaction. In a flood it is the waiting for Postgres: a large batch is
tried as three transactions side by side, of different topic partitions, as three processes would.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import clock, log
from shared.db.tables import dead_letters, offsets
from shared.db.tables.dead_letters import DeadLetterRow
from shared.db.tables.halts import Cause
from shared.db.tables.offsets import Advance
from shared.errors import Permanent, Transient
from shared.events.lanes import Lane
from shared.kafka.dead_letters import as_message, as_row, dead_letter
from shared.kafka.loop.lanes import Lanes
from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.loop.parts import parts
from shared.kafka.loop.position import fingerprint
from shared.kafka.loop.publishing import Publishing
from shared.kafka.records import DeadLetter, HandleAtOnce, Handled, Handler, Outgoing, Record, Sender
from shared.kafka.topics import MAX_MESSAGE_BYTES
from shared.kafka.transient import passes

_LOG = log.get(__name__)
_SLACK: Final = 2048  # bytes of a message beside its value
_FEW: Final = 16  # records for which a round trip costs more than they do


class GiveUp(Exception):  # noqa: N818 - the loop's own word, it never leaves it
    """This process is fenced, or reads from the wrong place: it has to read the progress again."""


class MustHalt(Exception):  # noqa: N818 - see above
    """A lane has to halt."""

    def __init__(self, lane: Lane, cause: Cause, reason: str) -> None:
        super().__init__(reason)
        self.lane: Lane = lane
        self.cause: Cause = cause
        self.reason = reason


class _Committed(NamedTuple):
    """What is in the database: how far, and what has to be published of it; None: nothing, and that is stored too."""

    ends: dict[TopicPartition, int]
    outgoing: Sequence[Outgoing] | None


class Batches:
    """Settles batches, and knows the next offset of every topic partition that is consumed."""

    def __init__(
        self,
        engine: AsyncEngine,
        handler: Handler,
        publishing: Publishing,
        lanes: Lanes,
        metrics: LoopMetrics,
        *,
        dead_letters: str,
        group: str,
        at_once: HandleAtOnce | None = None,
    ) -> None:
        """`dead_letters` is the dead-letter topic, `group` the consumer named in each dead letter."""
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._handler = handler
        self._handle_at_once = at_once
        self._publishing = publishing
        self._lanes = lanes
        self._metrics = metrics
        self._dead_letters = dead_letters
        self._group = group
        self.next: dict[TopicPartition, int] = {}

    async def settle(self, records: Sequence[Record]) -> None:
        """Commit the batch, dead-lettering what can never work.

        Raises GiveUp when it has to be read again, and MustHalt when a lane has one dead letter too many: that record
        and those after it stay unread.
        """
        left = parts(records)
        if len(left) > 1:
            left = await self._side_by_side(left)
        for part in left:
            await self._settle(part)

    async def _side_by_side(self, each: Sequence[list[Record]]) -> list[list[Record]]:
        """Try each part in a transaction of its own, all at once; the parts that failed.

        These are settled as if they had not been tried, so that failures are counted one after the other.
        """
        committed: list[_Committed] = []  # in the order of the commits, in which a contact of two parts has changed

        async def tried(part: list[Record]) -> None:
            committed.append(await self._transact(part, None))

        ended = await asyncio.gather(*map(tried, each), return_exceptions=True)
        await self._publish(committed)
        return [part for part, error in zip(each, ended, strict=True) if error is not None]

    async def _settle(self, records: Sequence[Record]) -> None:
        try:
            committed = await self._at_once(records) or await self._transact(records, None)
            await self._publish([committed])
        except (GiveUp, MustHalt):
            raise
        except Exception as error:
            if passes(error):
                raise GiveUp(f"{type(error).__name__}: {log.reason(error)}") from error
            if len(records) > 1:
                middle = len(records) // 2
                await self._settle(records[:middle])
                await self._settle(records[middle:])
            else:
                await self._publish([await self._transact(records, dead_letter(records[0], error))])

    async def _at_once(self, records: Sequence[Record]) -> _Committed | None:
        """What one statement committed; None: nothing was written, and the transaction says why."""
        if self._handle_at_once is None or len(records) > _FEW:
            return None
        steps = self._steps(records)
        try:
            async with self._single.connect() as conn:
                made = await self._handle_at_once(conn, records)
                if made is None or made.handled.dead or _too_large(made.handled):
                    return None
                silent = not made.handled.outgoing and self._all_published(steps)
                moved = _marked(steps) if silent else steps
                if not await offsets.write_with(conn, made.statement, made.values, moved):
                    return None
        except Exception as error:
            if passes(error):
                raise
            return None
        return self._committed(records, made.handled, (), steps, silent=silent)

    async def _transact(self, records: Sequence[Record], dead: DeadLetter | None) -> _Committed:
        steps = self._steps(records)
        async with self._engine.begin() as conn:
            handled = await self._handler.handle(conn, records) if dead is None else Handled(dead=(dead,))
            if _too_large(handled):
                raise Permanent("its result is larger than a Kafka message may be")
            rows = self._rows(handled.dead)
            if rows:
                await dead_letters.insert(conn, rows)
            silent = not (handled.outgoing or rows) and self._all_published(steps)
            if not await offsets.advance(conn, _marked(steps) if silent else steps):
                raise GiveUp("another process moved the offset")
        return self._committed(records, handled, rows, steps, silent=silent)

    def _committed(
        self,
        records: Sequence[Record],
        handled: Handled,
        rows: Sequence[DeadLetterRow],
        steps: Sequence[Advance],
        *,
        silent: bool,
    ) -> _Committed:
        """The batch is in the database: count it. Of a `silent` one nothing is published."""
        ends = {TopicPartition(step.topic, step.partition): step.next_offset for step in steps}
        self.next.update(ends)
        self._count(records, handled.dead, rows)
        if handled.after_commit is not None:
            handled.after_commit()
        if silent:
            self._publishing.settled(ends)
            return _Committed(ends, None)
        return _Committed(
            ends, [*handled.outgoing, *(as_message(row, self._dead_letters, self._group) for row in rows)]
        )

    async def _publish(self, committed: Sequence[_Committed]) -> None:
        """Begin to publish what came of a batch, or of its parts."""
        loud = [each for each in committed if each.outgoing is not None]
        if not loud:
            return
        ends = {partition: end for each in loud for partition, end in each.ends.items()}
        try:
            await self._publishing.publish([message for each in loud for message in each.outgoing or ()], ends)
        except Transient as error:
            raise GiveUp(str(error)) from error

    def _all_published(self, steps: Sequence[Advance]) -> bool:
        """Whether all before these steps is: then a batch of which nothing is published needs no mark of its own."""
        return all(
            self._publishing.published(TopicPartition(step.topic, step.partition)) == step.expected for step in steps
        )

    def _rows(self, letters: Sequence[DeadLetter]) -> list[DeadLetterRow]:
        """The dead letters as rows. Raises MustHalt when there are too many for their lane."""
        senders: dict[Lane, list[Sender]] = defaultdict(list)
        for letter in letters:
            if letter.kind != "unforeseen":
                continue
            record = letter.record
            _LOG.error("record_failed", topic=record.topic, partition=record.partition, offset=record.offset,
                       reason=letter.reason)  # fmt: skip
            lane = self._lanes.of(record.topic)
            senders[lane].append(self._handler.sender(record))
            if reason := self._lanes.verdict(lane, senders[lane]):
                raise MustHalt(lane, "failures", f"{reason}; the last one: {letter.reason}")
        now = clock.utc_now()
        return [as_row(letter, self._handler.sender(letter.record).name, now) for letter in letters]

    def _count(self, records: Sequence[Record], letters: Sequence[DeadLetter], rows: Sequence[DeadLetterRow]) -> None:
        """Count only what is committed."""
        failed = [letter.record for letter in letters if letter.kind == "unforeseen"]
        worked = Counter(record.topic for record in records)
        worked.subtract(record.topic for record in failed)
        for topic, count in worked.items():
            self._lanes.worked(self._lanes.of(topic), count)
        for record in failed:
            self._lanes.failed(self._lanes.of(record.topic), self._handler.sender(record))
        self._metrics.dead(rows)

    def _steps(self, records: Sequence[Record]) -> list[Advance]:
        ends: dict[TopicPartition, tuple[int, int]] = {}
        last: dict[TopicPartition, Record] = {}
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            known = self.next.get(partition, -1)
            first, expected = ends.get(partition) or (known, known)
            last[partition] = record
            if record.offset != expected:
                where = f"{record.topic}/{record.partition}"
                raise GiveUp(f"read offset {record.offset} of {where} where {expected} was due")
            ends[partition] = (first, expected + 1)
        return [
            Advance(each.topic, each.partition, first, end, self._publishing.published(each), fingerprint(last[each]))
            for each, (first, end) in ends.items()
        ]


def _marked(steps: Sequence[Advance]) -> list[Advance]:
    """The steps of a batch of which nothing is to be published."""
    return [step._replace(published=step.next_offset) for step in steps]


def _too_large(handled: Handled) -> bool:
    return any(len(out.value) > MAX_MESSAGE_BYTES - _SLACK for out in handled.outgoing)
