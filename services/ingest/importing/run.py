"""Imports one file: pieces are read, sent and marked as done in the order of the file."""

import asyncio
import itertools
import random
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from services.ingest.importing.progress import Progress, ProgressFile
from services.ingest.importing.reading import Piece
from services.ingest.importing.refusals import Refusals
from services.ingest.importing.work import Worked
from services.ingest.importing.workers import Workers
from shared.backoff import exponential
from shared.errors import Transient
from shared.events.envelope import KAFKA_HEADERS
from shared.kafka.producer import Producer
from shared.kafka.records import Outgoing
from shared.runtime.pause import pause

if TYPE_CHECKING:
    from concurrent.futures import Future

_REMEMBER_S: Final = 1.0
_SENDING: Final = 3  # pieces under way to Kafka at once
_PATIENT: Final = 3  # tries before it is shown: connecting takes a moment


@dataclass(slots=True)
class Tally:
    """The progress of this run. `reasons` counts its rejected rows."""

    progress: Progress
    reasons: Counter[str] = field(default_factory=Counter)
    trouble: str | None = None
    stopped: bool = False

    def count(self, piece: Piece, worked: Worked, refused_bytes: int) -> None:
        """A piece is done, and all before it."""
        before = self.progress
        self.progress = Progress(
            of=before.of,
            offset=piece.end,
            read=piece.read,
            line=piece.next_line,
            taken=before.taken + worked.taken,
            refused=before.refused + len(worked.refused),
            left_out=before.left_out + worked.left_out,
            refused_bytes=refused_bytes,
        )
        self.reasons.update(each.reason for each in worked.refused)


class Import:
    """One run over the pieces of a file."""

    def __init__(
        self,
        *,
        kafka: str,
        topic: str,
        producer: Producer,
        workers: Workers,
        progress_file: ProgressFile,
        refusals: Refusals,
        tally: Tally,
        show: Callable[[Tally], None],
    ) -> None:
        """`tally` continues an earlier run; `show` is called with each change."""
        self._kafka = kafka
        self._topic = topic
        self._producer = producer
        self._workers = workers
        self._progress_file = progress_file
        self._refusals = refusals
        self._tally = tally
        self._show = show
        self._stopping = asyncio.Event()
        self._remember_at = 0.0

    async def run(self, pieces: Iterator[Piece]) -> None:
        """Return once everything, or after a signal what was under way, is acknowledged. Raises Unreadable."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        closing = asyncio.Event()
        connection = asyncio.create_task(self._producer.run(closing))
        try:
            await self._all(pieces)
        finally:
            self._remember()
            closing.set()
            await connection

    async def _all(self, pieces: Iterator[Piece]) -> None:
        reading: deque[tuple[Piece, Future[Worked]]] = deque()
        sending: deque[tuple[Piece, Worked, asyncio.Task[bool]]] = deque()
        try:
            while True:
                if self._stopping.is_set():
                    self._tally.stopped = True
                    reading.clear()
                else:
                    for piece in itertools.islice(pieces, self._workers.most - len(reading)):
                        reading.append((piece, self._workers.begin(piece)))
                if reading and len(sending) < _SENDING:
                    piece, future = reading.popleft()
                    worked = await asyncio.wrap_future(future)
                    sending.append((piece, worked, asyncio.create_task(self._sent(worked))))
                elif sending:
                    piece, worked, task = sending.popleft()
                    if not await task:
                        return
                    self._done(piece, worked)
                else:
                    return
        finally:
            for *_, task in sending:
                task.cancel()
            await asyncio.gather(*(task for *_, task in sending), return_exceptions=True)

    async def _sent(self, worked: Worked) -> bool:
        """True once all is acknowledged, however long Kafka is away; False when stopped before."""
        outgoing = [Outgoing(self._topic, key, value, KAFKA_HEADERS) for key, value in worked.messages]
        attempt = 0
        while True:
            try:
                await self._producer.send_all(outgoing)
            except Transient as error:
                if self._stopping.is_set():
                    self._tally.stopped = True
                    return False
                if attempt >= _PATIENT:
                    self._trouble(f"waiting for Kafka at {self._kafka}: {error}")
                wait = exponential(attempt, jitter=random.random(), longest=3.0)  # noqa: S311 - dice, not a secret
                attempt += 1
                await pause(self._stopping, wait)
            else:
                self._trouble(None)
                return True

    def _trouble(self, trouble: str | None) -> None:
        if trouble != self._tally.trouble:
            self._tally.trouble = trouble
            self._show(self._tally)

    def _done(self, piece: Piece, worked: Worked) -> None:
        self._refusals.add(worked.refused)
        self._tally.count(piece, worked, self._refusals.size)
        self._show(self._tally)
        if asyncio.get_running_loop().time() >= self._remember_at:
            self._remember()

    def _remember(self) -> None:
        self._refusals.sync()
        self._progress_file.write(self._tally.progress)
        self._remember_at = asyncio.get_running_loop().time() + _REMEMBER_S
