"""Events in files: records that prove themselves, in segments that are appended to, read as a whole and deleted.

Not a database, for three reasons. Deleting a file needs no space: on a full disk SQLite can neither add nor delete,
and would stay full forever. Damage costs only the records it hits, not the file. And a group of events is one write
and one fsync, however many there are. The files hold personal data: mode 0600.
"""

import contextlib
import fcntl
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec

from shared import log
from shared.kafka.records import Outgoing

Sync: TypeAlias = Callable[[int], None]

_LOG = log.get(__name__)
_MAGIC: Final = b"\xf5FH1"  # never in a text: that byte is not UTF-8
_HEAD: Final = struct.Struct("<4sII")  # the magic; CRC and length of what follows
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Outgoing)
_SEGMENT_BYTES: Final = 1_048_576  # one step of draining
_PROBE: Final = bytes(65_536)


class Found(NamedTuple):
    """The content of a segment. `lost`: bytes that are no records; `cut`: bytes of an unfinished last record."""

    outgoing: tuple[Outgoing, ...]
    lost: int = 0
    cut: int = 0


def pack(outgoing: Outgoing) -> bytes:
    body = _ENCODER.encode(outgoing)
    return _HEAD.pack(_MAGIC, zlib.crc32(body), len(body)) + body


def unpack(data: bytes) -> Found:
    """Every intact record, whatever is between them."""
    outgoing: list[Outgoing] = []
    at = lost = 0
    while at < len(data):
        record = _record(data, at)
        if record is None:
            following = _following(data, at)
            if following is None:
                rest = data[at:]
                return (
                    Found(tuple(outgoing), lost, len(rest))
                    if _is_cut(rest)
                    else Found(tuple(outgoing), lost + len(rest))
                )
            lost += following - at
            at = following
            continue
        outgoing.append(record[0])
        at = record[1]
    return Found(tuple(outgoing), lost)


def _record(data: bytes, at: int) -> tuple[Outgoing, int] | None:
    """The record that begins there, and where it ends."""
    start = at + _HEAD.size
    if start > len(data):
        return None
    magic, checksum, length = _HEAD.unpack_from(data, at)
    body = data[start : start + length]
    if magic != _MAGIC or len(body) != length or zlib.crc32(body) != checksum:
        return None
    try:
        return _DECODER.decode(body), start + length
    except msgspec.DecodeError:
        return None


def _following(data: bytes, at: int) -> int | None:
    """Where the next whole record begins."""
    while (at := data.find(_MAGIC, at + 1)) >= 0:
        if _record(data, at) is not None:
            return at
    return None


def _is_cut(rest: bytes) -> bool:
    """Whether it is what a kill or a power loss leaves at the end: the beginning of a record, or zeros."""
    if rest[: len(_MAGIC)] != _MAGIC[: len(rest)]:
        return not any(rest)
    return len(rest) < _HEAD.size or _HEAD.size + _HEAD.unpack_from(rest)[2] > len(rest)


@dataclass(slots=True, eq=False)
class Segment:
    """One file. Its size may be less than the file's: leftovers of a failed write do not count."""

    path: Path
    events: int = 0
    size: int = 0
    damaged: bool = False


class SegmentFolder:
    """The segments of one process, held by a lock. Every method blocks; one thread at a time."""

    def __init__(self, path: Path, *, sync: Sync = os.fsync) -> None:
        """Lock the folder and read its segments. Raises BlockingIOError when another process holds it, or OSError.

        `sync` returns once what was written through a descriptor survives a power loss.
        """
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sync = sync
        self._sync_folder(path.parent)
        self.path = path
        self._descriptor: int | None = None  # of the last segment, while it is written
        self._lock = os.open(path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._next = 1 + max((int(each.stem) for each in path.iterdir() if each.stem.isdigit()), default=0)
            self.segments = deque(self._left())
        except BaseException:
            os.close(self._lock)
            raise

    def _left(self) -> Iterator[Segment]:
        for path in sorted(self.path.glob("*.events")):
            segment = Segment(path)
            found = self._read(segment)
            segment.events = len(found.outgoing)
            if found.cut:
                _LOG.warning("spool_file_cut", file=str(path), bytes=found.cut)
            yield segment

    def append(self, records: Sequence[bytes]) -> None:
        """Write and fsync all of it, or nothing. Raises OSError."""
        descriptor = self._descriptor if self._descriptor is not None else self._begin()
        segment = self.segments[-1]
        data = memoryview(b"".join(records))
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            self._sync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, segment.size)
            self._seal()  # whatever is wrong with this file, start a new one
            raise
        segment.size += len(data)
        segment.events += len(records)
        if segment.size >= _SEGMENT_BYTES:
            self._seal()

    def _begin(self) -> int:
        path = self.path / f"{self._next:012}.events"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            self._sync_folder(self.path)  # or the file itself may be gone after a power loss
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        self._next += 1
        self.segments.append(Segment(path))
        self._descriptor = descriptor
        return descriptor

    def _seal(self) -> None:
        """Close the last segment."""
        if self._descriptor is None:
            return
        os.close(self._descriptor)
        self._descriptor = None
        if not self.segments[-1].events:
            with contextlib.suppress(OSError):
                self.segments.pop().path.unlink()

    def oldest(self) -> tuple[Segment, tuple[Outgoing, ...]] | None:
        """The oldest segment and its events; None when there is none. `forget` it once they are acknowledged."""
        if len(self.segments) == 1:
            self._seal()
        if not self.segments:
            return None
        segment = self.segments[0]
        return segment, self._read(segment).outgoing

    def _read(self, segment: Segment) -> Found:
        """Read a segment; damage is logged once and marks it, but hinders nothing else."""
        try:
            data = segment.path.read_bytes()
        except OSError as error:
            found, reason = Found(()), error.strerror
        else:
            segment.size = segment.size or len(data)
            found = unpack(data[: segment.size])
            reason = f"{found.lost} bytes are no events" if found.lost else None
        if reason is not None and not segment.damaged:
            segment.damaged = True
            _LOG.error("spool_damaged", file=str(segment.path), reason=reason, events_left=len(found.outgoing))
        return found

    def forget(self, segment: Segment) -> None:
        """Delete the oldest, which Kafka has acknowledged. A damaged one is set aside for a person."""
        self.segments.remove(segment)
        try:
            if segment.damaged:
                segment.path.rename(segment.path.with_suffix(".damaged"))
            else:
                segment.path.unlink()
        except OSError as error:  # sent again only after the next start; a copy is harmless
            _LOG.error("spool_file_stays", file=str(segment.path), reason=error.strerror)

    def probe(self) -> None:
        """Raises OSError when the disk takes nothing."""
        path = self.path / "probe"
        try:
            with path.open("wb", buffering=0) as file:
                if file.write(_PROBE) < len(_PROBE):
                    file.write(_PROBE)  # a short first write: the second one raises the reason
                self._sync(file.fileno())
        finally:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Unlock the folder."""
        self._seal()
        os.close(self._lock)

    def _sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            self._sync(descriptor)
        finally:
            os.close(descriptor)
