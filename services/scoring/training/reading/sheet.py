"""A file of rows as columns of text; its encoding and separator are detected and reported."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

_SEPARATORS: Final = (",", ";", "\t", "|")
_SAMPLE: Final = 40  # lines that show the separator
_LONGEST_CELL: Final = 131_072  # characters; anything longer is a quote that is never closed
_NO_TEXT: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF", b"PAR1")  # Excel, archives …
_ENCODINGS: Final = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


class SheetUnusableError(ValueError):
    """The file cannot be used as it is; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of a file, as text. `said` tells how it was read."""

    columns: Mapping[str, Sequence[str]]
    count: int
    said: tuple[str, ...]

    def name(self, asked: str) -> str:
        """A column's own name, whatever case, spaces and underscores were asked for. Raises SheetUnusableError."""
        if asked in self.columns:
            return asked
        found = [own for own in self.columns if _alike(own) == _alike(asked)]
        if len(found) != 1:
            raise SheetUnusableError(f"no column {asked!r}; there are: {', '.join(self.columns)}")
        return found[0]

    def column(self, name: str) -> Sequence[str]:
        """One column by its name. Raises SheetUnusableError, which lists the columns."""
        return self.columns[self.name(name)]


def read_sheet(path: Path) -> Sheet:
    """Read the file. Raises SheetUnusableError or OSError."""
    raw = path.read_bytes()
    if raw.startswith(_NO_TEXT):
        raise SheetUnusableError("this is not text; save it as CSV (in Excel: File, Save as, CSV UTF-8)")
    text, said = _decoded(raw)
    text = text.lstrip("\r\n")
    separator = _separator(text)
    if (told := re.match(r"sep=(.)\r?\n", text, re.IGNORECASE)) is not None:  # Excel's own way to say it
        separator, text = told[1], text[told.end() :]
    if separator == " ":
        text = "\n".join(" ".join(line.split()) for line in text.splitlines())
    csv.field_size_limit(_LONGEST_CELL)  # process-wide: every reader sets its own
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        filled = [row for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise SheetUnusableError(f"line {rows.line_num}: {error}") from None
    if not filled:
        raise SheetUnusableError("the file is empty")
    names, kept = _names(filled[0]), filled[1:]
    if not any(re.search(r"[^\W\d_]", cell) for cell in filled[0]):
        names, kept = [f"column {place}" for place in range(1, len(names) + 1)], filled
        said.append("there is no header: the first row holds no word")
    if kept and len(kept[0]) == len(names) + 1 and filled[0][0].strip():
        names = ["column 0", *names]  # R writes row names without a header of their own
    if not kept:
        raise SheetUnusableError("the file has a header and no rows")
    ragged = sum(len(row) != len(names) for row in kept)
    if ragged:
        said.append(f"{ragged} rows have more or fewer cells than the header; missing cells count as not known")
    columns = {
        name: [row[place].strip() if place < len(row) else "" for row in kept] for place, name in enumerate(names)
    }
    return Sheet(columns, len(kept), tuple(said))


def _decoded(raw: bytes) -> tuple[str, list[str]]:
    for mark, encoding in _ENCODINGS:
        if raw.startswith(mark):
            return raw.decode(encoding, "replace").replace("\0", ""), []
    if raw[1:200:2].count(0) > 90:  # noqa: PLR2004 - UTF-16 without its mark: every other byte of Latin text is 0
        return raw.decode("utf-16-le", "replace"), ["the file was read as UTF-16"]
    try:
        return raw.decode("utf-8").replace("\0", ""), []
    except UnicodeDecodeError:
        said = "the file is not UTF-8; it was read as Windows-1252"
        return raw.decode("cp1252", "replace").replace("\0", ""), [said]


def _separator(text: str) -> str:
    """The separator that gives the first rows the most cells, and nearly all of them the same number."""
    lines = text.splitlines(keepends=True)[:_SAMPLE]

    def fits(separator: str) -> tuple[int, int, bool]:
        try:
            widths = [len(row) for row in islice(csv.reader(lines, delimiter=separator), _SAMPLE) if row]
        except csv.Error:
            return 0, 0, False
        if not widths or widths[0] == 1:
            return 0, 0, separator == ","
        like_the_first = sum(width == widths[0] for width in widths)
        return int(10 * like_the_first / len(widths)), widths[0], separator == ","

    best = max(_SEPARATORS, key=fits)
    # Aligned columns, separated by spaces alone.
    blanks = {len(line.split()) for line in lines if line.strip()}
    return " " if fits(best)[1] <= 1 and len(lines) > 1 and blanks == {max(blanks)} and max(blanks) > 2 else best  # noqa: PLR2004


def _names(head: Sequence[str]) -> list[str]:
    names: list[str] = []
    for place, cell in enumerate(head, start=1):
        name = cell.strip() or f"column {place}"
        names.append(name if name not in names else f"{name} ({place})")
    return names


def _alike(name: str) -> str:
    return re.sub(r"[\s_\-.]+", " ", name).strip().casefold()
