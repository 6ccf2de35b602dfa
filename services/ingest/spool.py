"""Events on disk while Kafka cannot take them: acknowledged only once they are fsynced, drained in order.

One SQLite file (WAL, synchronous=FULL) and one writer thread per process; whatever waits is committed together, so
that one fsync carries many events. A file belongs to the process that holds its lock; one that a dead process left
behind is taken over by whoever finds it. It holds personal data: mode 0600.
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared import log
from shared.errors import FirsthourError
from shared.kafka.records import Outgoing

_LOG = log.get(__name__)
_GROUP: Final = 512  # events in one commit
_DRAIN: Final = 500
_DRAIN_BYTES: Final = 4_000_000
_SLOTS: Final = 64
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS spooled (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        key BLOB,
        value BLOB NOT NULL,
        headers BLOB NOT NULL
    ) STRICT
"""


class SpoolFull(FirsthourError):  # noqa: N818 - reads as what happened
    """Nothing more can be taken: the bound is reached, or the disk takes no more."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """The oldest events of the spool; `last` is what `forget` takes once they are acknowledged."""

    last: int
    outgoing: tuple[Outgoing, ...]
    size: int  # bytes


def _headers_out(headers: tuple[tuple[str, bytes], ...]) -> bytes:
    return b"\n".join(name.encode() + b":" + value for name, value in headers)


def _headers_in(stored: bytes) -> tuple[tuple[str, bytes], ...]:
    pairs = (line.partition(b":") for line in stored.split(b"\n") if line)
    return tuple((name.decode(), value) for name, _, value in pairs)


def _size(outgoing: Outgoing) -> int:
    return len(outgoing.value) + 64


class SpoolFile:
    """One SQLite file, held by an exclusive lock. Every method blocks: call it from the writer thread only."""

    def __init__(self, path: Path) -> None:
        """Take the file. Raises BlockingIOError when another process holds it, sqlite3.Error when it is damaged."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")  # NORMAL would lose acknowledged events on power loss
            self._db.execute(_SCHEMA)
        except BaseException:
            os.close(self._lock)
            raise
        _sync_folder(path.parent)

    def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Write all and fsync, or none. Raises sqlite3.Error."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT INTO spooled (topic, key, value, headers) VALUES (?, ?, ?, ?)",
                [(out.topic, out.key, out.value, _headers_out(out.headers)) for out in outgoing],
            )
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def oldest(self) -> Spooled | None:
        """The oldest events, as many as one draining step takes; None when it is empty."""
        rows, size = [], 0
        query = "SELECT seq, topic, key, value, headers FROM spooled ORDER BY seq LIMIT ?"
        for row in self._db.execute(query, (_DRAIN,)):
            rows.append(row)
            size += len(row[3]) + 64
            if size > _DRAIN_BYTES:
                break
        if not rows:
            return None
        outgoing = tuple(Outgoing(topic, key, value, _headers_in(stored)) for _, topic, key, value, stored in rows)
        return Spooled(rows[-1][0], outgoing, size)

    def forget(self, last: int) -> None:
        """Drop everything up to `last`: it has been acknowledged by Kafka."""
        self._db.execute("DELETE FROM spooled WHERE seq <= ?", (last,))

    def totals(self) -> tuple[int, int]:
        """How many events it holds, and their bytes."""
        count, size = self._db.execute("SELECT count(*), coalesce(sum(length(value) + 64), 0) FROM spooled").fetchone()
        return int(count), int(size)

    def close(self) -> None:
        """Give the file back; an empty one is shrunk to nothing first."""
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        os.close(self._lock)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # or the file itself may be gone after a power loss
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Append:
    outgoing: Outgoing
    done: Future[None]


@dataclass(frozen=True, slots=True)
class _Call:
    action: Callable[[], Any]
    done: Future[Any]


class Spool:
    """The spool of one process: `put` returns after the fsync; `oldest` and `forget` drain it in order."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        """Take the first file of the folder that nobody holds. Raises OSError or sqlite3.Error when it cannot."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._file = _first_free(folder)
        self.pending, self.bytes = self._file.totals()
        self._work: queue.SimpleQueue[_Append | _Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="spool", daemon=True)
        self._thread.start()

    async def put(self, outgoing: Outgoing) -> None:
        """Return once the event is on disk. Raises SpoolFull when the bound is reached or the disk takes no more."""
        size = _size(outgoing)
        if self.bytes + size > self._max_bytes:
            raise SpoolFull(f"the spool holds its {self._max_bytes} bytes")
        # Counted before it is written: from here on newer events queue behind it.
        self.pending += 1
        self.bytes += size
        append = _Append(outgoing, Future())
        written = asyncio.wrap_future(append.done)
        written.add_done_callback(lambda done: self._uncount(done, size))
        self._work.put(append)
        try:
            await asyncio.shield(written)  # a client that hangs up stops nothing that is being written
        except sqlite3.Error as error:
            raise SpoolFull(f"the spool cannot be written: {error}") from error

    def _uncount(self, written: asyncio.Future[None], size: int) -> None:
        if written.exception() is not None:
            self.pending -= 1
            self.bytes -= size

    async def oldest(self) -> Spooled | None:
        """The oldest events; None when it is empty. Raises sqlite3.Error."""
        found: Spooled | None = await self._call(self._file.oldest)
        return found

    async def forget(self, spooled: Spooled) -> None:
        """Drop what Kafka has acknowledged. Raises sqlite3.Error."""
        await self._call(lambda: self._file.forget(spooled.last))
        self.pending -= len(spooled.outgoing)
        self.bytes -= spooled.size

    async def adopt(self) -> int:
        """Take over what dead processes left in this folder; return how many events that were."""
        adopted: int = await self._call(self._adopt)
        return adopted

    async def close(self) -> None:
        """Finish what is being written and give the file back."""
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)
        self._file.close()

    async def _call(self, action: Callable[[], Any]) -> Any:
        done: Future[Any] = Future()
        self._work.put(_Call(action, done))
        return await asyncio.shield(asyncio.wrap_future(done))

    def _write(self) -> None:
        """The writer thread: everything that waits is one commit, and so one fsync."""
        held: _Append | _Call | None = None
        while True:
            work = held or self._work.get()
            held = None
            if work is None:
                return
            if isinstance(work, _Call):
                _settle(work)
                continue
            group = [work]
            while len(group) < _GROUP and not self._work.empty():
                following = self._work.get()
                if not isinstance(following, _Append):
                    held = following or _Call(lambda: None, Future())
                    if following is None:
                        self._work.put(None)
                    break
                group.append(following)
            self._commit(group)

    def _commit(self, appends: Sequence[_Append]) -> None:
        try:
            self._file.append([each.outgoing for each in appends])
        except sqlite3.Error as error:
            for each in appends:
                each.done.set_exception(error)
        else:
            for each in appends:
                each.done.set_result(None)

    def _adopt(self) -> int:
        adopted = 0
        for path in sorted(self._folder.glob("spool-*.sqlite")):
            if path == self._file.path:
                continue
            try:
                left = SpoolFile(path)
            except BlockingIOError:
                continue
            except sqlite3.Error as error:
                _LOG.error("spool_damaged", file=path.name, reason=str(error))
                continue
            try:
                while (spooled := left.oldest()) is not None:
                    self._file.append(spooled.outgoing)  # first here, then gone there: twice is harmless, never is not
                    left.forget(spooled.last)
                    adopted += len(spooled.outgoing)
                    self.pending += len(spooled.outgoing)
                    self.bytes += spooled.size
            finally:
                left.close()
        return adopted


def _settle(call: _Call) -> None:
    try:
        call.done.set_result(call.action())
    except Exception as error:  # noqa: BLE001 - it is raised where the call was made
        call.done.set_exception(error)


def _first_free(folder: Path) -> SpoolFile:
    for slot in range(_SLOTS):
        with contextlib.suppress(BlockingIOError):
            return SpoolFile(folder / f"spool-{slot}.sqlite")
    raise SpoolFull(f"all {_SLOTS} spool files in {folder} are held by running processes")
