"""Reads a file of any size in pieces: unpacked, as UTF-8 or as it is, and cut where records end."""

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal, cast

from services.ingest.importing.cutting import LONGEST_RECORD, before_last_group, count_lines, whole_lines, whole_records
from shared.errors import FirsthourError

Encoding = Literal["utf-8", "utf-16-le", "utf-16-be", "cp1252"]
SAMPLE: Final = 1_048_576  # bytes
_PIECE: Final = 262_144
_GZIP: Final = b"\x1f\x8b"
_SHARE_OF_NULS: Final = 0.3


class Unreadable(FirsthourError):  # noqa: N818 - reads as what happened
    """The file cannot be read on; the message says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole records. Offsets count bytes of the unpacked file; `read` those of the file as it lies there.

    `broken`: it is a line with a quote that never ends, and no record.
    """

    content: bytes
    end: int
    line: int  # of its first record, from 1
    next_line: int  # of the next piece
    read: int
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """How the bytes of a file are to be read. `grouped`: the column whose equal values hold records together."""

    encoding: Encoding
    delimiter: str | None  # None: a JSON object in each line
    grouped: int | None = None


def sample(path: Path) -> tuple[Encoding, bytes]:
    """The encoding, and the first megabyte as `pieces` gives it, without a byte order mark. Raises Unreadable."""
    with _opened(path) as raw:
        head = _read(_unpacked(raw), SAMPLE)
    encoding, mark = _encoding(head)
    if encoding in ("utf-16-le", "utf-16-be"):
        return encoding, codecs.getincrementaldecoder(encoding)("replace").decode(head[mark:]).encode()
    return encoding, head[mark:]


def text(content: bytes, encoding: Encoding) -> str:
    """The text of a piece. A line that is not UTF-8 is taken as Windows-1252: files are glued from others."""
    if encoding == "cp1252":
        return content.decode("cp1252", "replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return "".join(_line(line) for line in content.split(b"\n"))[:-1]


def _line(line: bytes) -> str:
    try:
        return line.decode() + "\n"
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace") + "\n"


def pieces(path: Path, shape: Shape, *, offset: int = 0, line: int = 1, size: int = _PIECE) -> Iterator[Piece]:
    """The file from `offset` on, where a record begins, in pieces of about `size` bytes. Raises Unreadable."""
    held, ended = b"", False
    with _opened(path) as raw:
        blocks = _blocks(raw, shape.encoding, offset, size)
        while True:
            cut, broken = _cut(held, shape, ended=ended)
            if cut:
                content, held = held[:cut], held[cut:]
                offset += cut
                next_line = line + count_lines(content)
                yield Piece(content, offset, line, next_line, raw.tell(), broken)
                line = next_line
            elif ended:
                return
            else:
                block = next(blocks, b"")
                held, ended = held + block, not block


def _cut(held: bytes, shape: Shape, *, ended: bool) -> tuple[int, bool]:
    """How many bytes the next piece has (0: read on), and whether it is a broken line."""
    if shape.delimiter is None:
        return (len(held) if ended else whole_lines(held)), False
    delimiter = shape.delimiter.encode()
    if ended and held and whole_records(held + b"\n", delimiter) > len(held):
        return len(held), False  # the last record needs no line end
    cut = whole_records(held, delimiter)
    if not cut and (len(held) > LONGEST_RECORD or (ended and held)):
        return _first_line(held), True
    if cut and shape.grouped is not None and not ended and len(held) < LONGEST_RECORD:
        cut = before_last_group(held[:cut], shape.delimiter, shape.grouped)
    return cut, False


def _first_line(held: bytes) -> int:
    return held.find(b"\n") + 1 or len(held)


def _blocks(raw: IO[bytes], encoding: Encoding, offset: int, size: int) -> Iterator[bytes]:
    file = _unpacked(raw)
    _, mark = _encoding(_read(file, 4))
    if encoding in ("utf-8", "cp1252"):
        _skip(file, mark + offset)
        while block := _read(file, size):
            yield block
        return
    file.seek(mark)
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    to_skip = offset
    while block := _read(file, size):
        recoded = decoder.decode(block).encode()
        if to_skip < len(recoded):
            yield recoded[to_skip:]
        to_skip = max(0, to_skip - len(recoded))


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from None


def _unpacked(raw: IO[bytes]) -> IO[bytes]:
    packed = raw.read(2) == _GZIP
    raw.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw


def _skip(file: IO[bytes], offset: int) -> None:
    try:
        file.seek(offset)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"the file cannot be read on: {error}") from None


def _read(file: IO[bytes], size: int) -> bytes:
    try:
        return file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"the file cannot be read on: {error}") from None


def _encoding(head: bytes) -> tuple[Encoding, int]:
    """The encoding and how many bytes its mark has."""
    for mark, marked in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if head.startswith(mark):
            return marked, len(mark)  # type: ignore[return-value]  # the table above holds only these
    if head and head.count(0) > len(head) * _SHARE_OF_NULS:
        return ("utf-16-be" if head[0] == 0 else "utf-16-le"), 0
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252", 0
    return "utf-8", 0


def fingerprint(path: Path) -> str:
    """What tells this file from another, or from itself after a change: path, size, time of change, first megabyte."""
    about = path.stat()
    with path.open("rb") as file:
        first = hashlib.sha256(file.read(SAMPLE)).hexdigest()
    return f"{path.resolve()}\n{about.st_size}\n{about.st_mtime_ns}\n{first}"
