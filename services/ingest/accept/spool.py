"""Events on disk while Kafka cannot take them: acknowledged only once they are fsynced, drained in order.

Each process has a folder of its own. While one group of events is written the next one gathers, so that one fsync
serves many. Whichever process finds a folder of a dead one takes it over.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, ParamSpec, TypeVar

from services.ingest.accept.segment_files import Segment, SegmentFolder, pack
from shared import log
from shared.clock import utc_now
from shared.errors import FirsthourError
from shared.kafka.records import Outgoing

P = ParamSpec("P")
T = TypeVar("T")

_LOG = log.get(__name__)
_SLOTS: Final = 64
_GROUP_BYTES: Final = 1_048_576


class SpoolFull(FirsthourError):  # noqa: N818 - reads as what happened
    """The spool is full: its bound is reached, or the disk accepts no more."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """The oldest events of the spool, to `forget` once they are acknowledged."""

    outgoing: tuple[Outgoing, ...]
    segment: Segment
    folder: SegmentFolder


class _Waiting(NamedTuple):
    records: list[bytes]
    size: int
    written: asyncio.Future[None]


class Spool:
    """The spool of one process: `put` returns after the fsync; `oldest` and `forget` drain it in order.

    `pending` and `bytes` count what it holds, `since` (Unix time) is when it was last empty. `refusing`: why it accepts
    nothing now. `damaged`: files for a person to look at, of all processes. `on_written` gets each write's seconds.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        """Take the first free place in the folder. Raises OSError when there is none."""
        self.folder = folder
        self.max_bytes = max_bytes
        self.since: float | None = None
        self.on_written: Callable[[float], None] = lambda _seconds: None
        self._own = _first_free(folder)
        self._adopted: list[SegmentFolder] = []
        self.pending, self.bytes = _totals(self._own)
        self._waits_since(_written_at(self._own))
        self.refusing: str | None = None
        self.damaged = self._count_damaged()
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "spool")  # its own: a slow disk delays nothing else

    async def put(self, outgoing: Sequence[Outgoing]) -> None:
        """Return once all are on disk. Raises SpoolFull."""
        records = [pack(each) for each in outgoing]
        size = sum(map(len, records))
        if self.bytes + size > self.max_bytes:
            self.refusing = f"it holds its {self.max_bytes} bytes"
            raise SpoolFull(self.refusing)
        # Counted before it is written, so that newer events queue behind it.
        self._waits_since(utc_now().timestamp())
        self.pending += len(records)
        self.bytes += size
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.append(_Waiting(records, size, written))
        if self._writer is None:
            self._writer = loop.create_task(self._write(), name="spool")
        await asyncio.shield(written)  # a client that disconnects does not cancel a write

    async def _write(self) -> None:
        """Write what waits, group by group, until nothing is left."""
        while self._waiting:
            group = self._next_group()
            began = time.monotonic()
            try:
                await self._call(self._own.append, [record for each in group for record in each.records])
                self.on_written(time.monotonic() - began)
            except Exception as error:  # noqa: BLE001 - whoever waits is told; this task has to go on
                if isinstance(error, OSError):
                    self.refusing = f"it cannot be written: {error.strerror}"
                    error = SpoolFull(self.refusing)
                for each in group:
                    self._less(len(each.records), each.size)
                    each.written.set_exception(error)
            else:
                self.refusing = None
                for each in group:
                    each.written.set_result(None)
        self._writer = None

    def _next_group(self) -> list[_Waiting]:
        """What waits, bounded: a file should not be much larger than a step of draining."""
        size = count = 0
        while count < len(self._waiting) and size < _GROUP_BYTES:
            size += self._waiting[count].size
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    async def oldest(self) -> Spooled | None:
        """The oldest events: first those of dead processes. None when there are none, or they are being written."""
        for folder in (*self._adopted, self._own):
            found = await self._call(folder.oldest)
            if found is not None:
                return Spooled(found[1], found[0], folder)
        return None

    async def forget(self, spooled: Spooled) -> None:
        """Delete what Kafka has acknowledged."""
        folder, segment = spooled.folder, spooled.segment
        await self._call(folder.forget, segment)
        self._less(segment.events, segment.size)
        if folder is not self._own and not folder.segments:
            self._adopted.remove(folder)
            folder.close()

    async def adopt(self) -> int:
        """Take over the events that dead processes left; return how many. Newer ones queue behind them."""
        adopted = 0
        held = {folder.path for folder in (*self._adopted, self._own)}
        for path in _places(self.folder):
            if path in held:
                continue
            try:
                folder = await asyncio.to_thread(SegmentFolder, path)  # it reads all of it: not on the thread of `put`
            except BlockingIOError:
                continue
            except OSError as error:
                _LOG.error("spool_not_adopted", folder=str(path), reason=error.strerror)
                continue
            if not folder.segments:
                folder.close()
                continue
            events, size = _totals(folder)
            self._adopted.append(folder)
            self._waits_since(_written_at(folder))
            self.pending += events
            self.bytes += size
            adopted += events
        self.damaged = await self._call(self._count_damaged)
        return adopted

    async def probe(self) -> None:
        """Try whether it accepts events again."""
        try:
            await self._call(self._own.probe)
        except OSError as error:
            self.refusing = f"it cannot be written: {error.strerror}"
        else:
            if self.bytes < self.max_bytes:
                self.refusing = None

    async def close(self) -> None:
        """Finish writing and release all folders."""
        if self._writer is not None:
            await self._writer
        await asyncio.to_thread(self._thread.shutdown)
        for folder in (*self._adopted, self._own):
            folder.close()

    def _waits_since(self, at: float | None) -> None:
        if at is not None:
            self.since = at if self.since is None else min(self.since, at)

    def _less(self, events: int, size: int) -> None:
        self.pending -= events
        self.bytes -= size
        if not self.pending:
            self.since = None

    def _count_damaged(self) -> int:
        waiting = [segment for folder in (*self._adopted, self._own) for segment in folder.segments]
        aside = sum(1 for path in _places(self.folder) for _ in path.glob("*.damaged"))
        return aside + sum(segment.damaged for segment in waiting)

    async def _call(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(action, *args, **kwargs))


def _totals(folder: SegmentFolder) -> tuple[int, int]:
    return sum(each.events for each in folder.segments), sum(each.size for each in folder.segments)


def _written_at(folder: SegmentFolder) -> float | None:
    """When the oldest segment was last written."""
    return folder.segments[0].path.stat().st_mtime if folder.segments else None


def _places(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.isdigit())


def _first_free(folder: Path) -> SegmentFolder:
    for slot in range(_SLOTS):
        with contextlib.suppress(BlockingIOError):
            return SegmentFolder(folder / str(slot))
    raise SpoolFull(f"all {_SLOTS} places in {folder} are held by running processes")
