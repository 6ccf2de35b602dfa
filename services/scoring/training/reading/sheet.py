"""A file of rows as columns of text; its encoding and separator are detected and reported."""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

_SEPARATORS: Final = (",", ";", "\t", "|")
_SAMPLE: Final = 40  # lines that show the separator
_SWALLOWED: Final = 20  # lines of a cell that look like rows: the quote before them is never closed
_TITLES: Final = 10  # rows above the header at most
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
    csv.field_size_limit(len(text) + 1)  # process-wide: every reader sets its own
    separator = _separator(text)
    if (told := re.match(r"sep=(.)\r?\n", text, re.IGNORECASE)) is not None:  # Excel's own way to say it
        separator, text = told[1], text[told.end() :]
    if separator == " ":
        text = "\n".join(" ".join(line.split()) for line in text.splitlines())
    filled = _filled_rows(text, separator)
    if not filled:
        raise SheetUnusableError("the file is empty")
    titles = _titles(filled)
    if titles:
        filled = filled[titles:]
        said.append(f"{titles} rows above the header are left out")
    names, kept = _names(filled[0]), filled[1:]
    if not any(re.search(r"[^\W\d_]", cell) for cell in filled[0]):
        names, kept = [f"column {place}" for place in range(1, len(names) + 1)], filled
        said.append("there is no header: the first row holds no word")
    if kept and len(kept[0]) == len(names) + 1 and filled[0][0].strip():
        names = ["column 0", *names]  # R writes row names without a header of their own
    if not kept:
        kind = {"<": "a web page", "{": "JSON", "[": "JSON"}.get(text[:1])
        raise SheetUnusableError(
            "the file has a header and no rows" + (f"; this looks like {kind}, export it as CSV" if kind else "")
        )
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


def _filled_rows(text: str, separator: str) -> list[list[str]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    filled: list[list[str]] = []
    begin = 0
    try:
        for row in rows:
            if rows.line_num - begin > _SWALLOWED and filled:
                for cell in row:
                    lines = cell.splitlines()
                    if sum(line.count(separator) >= len(filled[0]) - 1 for line in lines) > max(
                        _SWALLOWED, len(lines) / 2
                    ):
                        raise SheetUnusableError(
                            f"line {begin + 1}: a quotation mark opens a cell that holds {len(lines)} lines; "
                            "close it, or remove it"
                        )
            begin = rows.line_num
            if any(cell.strip() for cell in row):
                filled.append(row)
    except csv.Error as error:
        raise SheetUnusableError(f"line {rows.line_num}: {error}") from None
    return filled


def _titles(rows: Sequence[Sequence[str]]) -> int:
    """How many rows at the top only say what the file is: they fill hardly any of the cells that the others have."""
    width = Counter(map(len, rows[:_SAMPLE])).most_common(1)[0][0]
    most = min(2, width // 3)
    for place, row in enumerate(rows[: _TITLES + 1]):
        if sum(bool(cell.strip()) for cell in row) > most:
            return place
    return 0


def _separator(text: str) -> str:
    """The separator that gives the rows the most cells, and nearly all of them the same number."""
    lines = text.splitlines(keepends=True)[:_SAMPLE]

    def fits(separator: str) -> tuple[int, int, bool]:
        try:
            widths = [len(row) for row in islice(csv.reader(lines, delimiter=separator), _SAMPLE) if row]
        except csv.Error:
            return 0, 0, False
        (typical, alike), *_ = Counter(widths).most_common(1) or [(1, 0)]
        if typical == 1:
            return 0, 0, separator == ","
        return int(10 * alike / len(widths)), typical, separator == ","

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
