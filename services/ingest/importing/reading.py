"""Reads a file of any size in pieces: decompressed, as UTF-8 or raw, and cut where records end."""

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from services.ingest.domain.sheets.code_pages import WESTERN, keeps_bytes
from services.ingest.importing.cutting import LONGEST_RECORD, before_last_group, count_lines, whole_lines, whole_records
from shared.errors import FirsthourError

UTF_8: Final = "utf-8"
SAMPLE: Final = 1_048_576  # bytes
_PIECE: Final = 262_144
_GZIP: Final = b"\x1f\x8b"
_SHARE_OF_NULS: Final = 0.3
_EVIDENCE: Final = 65_536  # bytes of lines that are not UTF-8: enough to recognise the code page


class Unreadable(FirsthourError):  # noqa: N818 - reads as what happened
    """The file cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole records. Offsets count bytes of the decompressed file; `read` those of the file itself.

    `broken`: a line with a quote that never ends, and no record.
    """

    content: bytes
    end: int
    line: int  # of its first record, from 1
    next_line: int  # of the next piece
    read: int
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """How to read the bytes of a file. `grouped`: the column whose equal values group records.

    `page`: the code page of lines that are not UTF-8 in a UTF-8 file, as concatenated files have.
    """

    encoding: str
    delimiter: str | None  # None: a JSON object in each line
    grouped: int | None = None
    page: str = WESTERN

    def text(self, content: bytes) -> str:
        """The text of a piece."""
        if self.encoding != UTF_8 and keeps_bytes(self.encoding):
            return content.decode(self.encoding, "replace")
        try:
            return content.decode()
        except UnicodeDecodeError:
            return "".join(self._line(line) for line in content.split(b"\n"))[:-1]

    def _line(self, line: bytes) -> str:
        try:
            return line.decode() + "\n"
        except UnicodeDecodeError:
            return line.decode(self.page, "replace") + "\n"


class Letters(NamedTuple):
    """The encoding of a file by its bytes. `encoding` None: an old code page. `foreign`: lines that are not UTF-8."""

    encoding: str | None
    foreign: bytes


def letters_of(path: Path) -> Letters:
    """Search the whole file for what is not UTF-8: perhaps one customer in ten thousand has an accented name.

    Raises Unreadable.
    """
    with _opened(path) as raw:
        file = _unpacked(raw)
        head = _read(file, SAMPLE)
        encoding, mark = _marked(head)
        if encoding is not None and encoding != UTF_8:
            return Letters(encoding, b"")
        foreign, others, held, block = bytearray(), bool(mark), b"", head[mark:]
        while block:
            lines = held + block
            end = lines.rfind(b"\n") + 1 if len(lines) <= LONGEST_RECORD else len(lines)
            whole, held = lines[:end], lines[end:]
            others |= _sorted_out(whole, foreign)
            block = _read(file, SAMPLE)
        others |= _sorted_out(held, foreign)
    return Letters(UTF_8 if others or not foreign else None, bytes(foreign))


def _sorted_out(lines: bytes, foreign: bytearray) -> bool:
    """Whether some of these lines are UTF-8 beyond ASCII; those that are not UTF-8 go to `foreign`."""
    if lines.isascii():
        return False
    try:
        lines.decode()
    except UnicodeDecodeError:
        pass
    else:
        return True
    others = False
    for line in lines.splitlines():
        if line.isascii():
            continue
        try:
            line.decode()
        except UnicodeDecodeError:
            if len(foreign) < _EVIDENCE:
                foreign += line + b"\n"
        else:
            others = True
    return others


def sample(path: Path, encoding: str) -> bytes:
    """The first megabyte as `pieces` gives it, without a byte order mark. Raises Unreadable."""
    with _opened(path) as raw:
        head = _read(_unpacked(raw), SAMPLE)
    head = head[_marked(head)[1] :]
    if keeps_bytes(encoding) or encoding == UTF_8:
        return head
    return codecs.getincrementaldecoder(encoding)("replace").decode(head).encode()


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
    """The size of the next piece in bytes (0: read more), and whether it is a broken line."""
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


def _blocks(raw: IO[bytes], encoding: str, offset: int, size: int) -> Iterator[bytes]:
    file = _unpacked(raw)
    _, mark = _marked(_read(file, 4))
    if keeps_bytes(encoding) or encoding == UTF_8:
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


def _marked(head: bytes) -> tuple[str | None, int]:
    """The encoding by the byte order mark or the pattern of bytes, and the length of the mark."""
    for mark, marked in (
        (codecs.BOM_UTF8, UTF_8),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if head.startswith(mark):
            return marked, len(mark)
    if head and head.count(0) > len(head) * _SHARE_OF_NULS:
        return ("utf-16-be" if head[0] == 0 else "utf-16-le"), 0
    return None, 0


def fingerprint(path: Path) -> str:
    """Identifies the file and its version: path, size, time of change, first megabyte."""
    about = path.stat()
    with path.open("rb") as file:
        first = hashlib.sha256(file.read(SAMPLE)).hexdigest()
    return f"{path.resolve()}\n{about.st_size}\n{about.st_mtime_ns}\n{first}"
