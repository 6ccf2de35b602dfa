"""A CSV of past leads as columns of numbers and words, with the decisions that reading it took said in words."""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from services.scoring.domain.lead.features import Value

# What people and programs write where they know nothing; compared without case.
MISSING: Final = frozenset(
    {"", "-", "--", "?", ".", "select", "n/a", "na", "#n/a", "nan", "null", "none", "nil", "unknown", "not provided",
     "not specified", "undefined", "(none)", "(not set)", "(blank)", "missing"}
)  # fmt: skip
_YES: Final = frozenset(
    {"1", "1.0", "yes", "y", "true", "t", "won", "converted", "customer", "bought", "purchased", "success"}
)
_NO: Final = frozenset({"0", "0.0", "no", "n", "false", "f", "lost", "not converted", "none", "failed", "failure"})
_MOSTLY: Final = 0.95  # of the values there are must be numbers, or days, for a column to be of them
_SAMPLE: Final = 65_536
_LONGEST_CELL: Final = 131_072  # characters: more is a quote that is never closed
_IDENTIFIER: Final = 0.9  # distinct values for each row, from which on words name the row and say nothing about it
_FEW: Final = 50
_WORDY: Final = 40  # characters on average: free text
_DAY_FORMATS: Final = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y")
_NUMBER: Final = re.compile(r"[+-]?(\d[\d ,'\u00a0]*)?(\.\d+)?([eE][+-]?\d+)?%?")


class SheetUnusableError(ValueError):
    """The file cannot be used as it is: the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of a file, as text. `said` tells how it was read."""

    columns: Mapping[str, Sequence[str]]
    count: int
    said: tuple[str, ...]

    def column(self, name: str) -> Sequence[str]:
        """One column by its name, whatever its case. Raises SheetUnusableError naming those there are."""
        found = self.columns.get(name) or next(
            (values for own, values in self.columns.items() if own.casefold() == name.strip().casefold()), None
        )
        if found is None:
            raise SheetUnusableError(f"no column {name!r}; there are: {', '.join(self.columns)}")
        return found


def read_sheet(path: Path) -> Sheet:
    """The file, with its encoding and separator found out. Raises SheetUnusableError, OSError."""
    raw = path.read_bytes()
    said = []
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
        said.append("the file is not UTF-8; it was read as Windows-1252")
    separator = _separator(text[:_SAMPLE])
    csv.field_size_limit(_LONGEST_CELL)  # of the whole process: whoever reads says what it wants
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        head = next(rows)
    except StopIteration:
        raise SheetUnusableError("the file is empty") from None
    except csv.Error as error:
        raise SheetUnusableError(f"line 1: {error}") from None
    names = _names(head)
    kept: list[list[str]] = []
    ragged = 0
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            ragged += len(row) != len(names)
            kept.append([*row[: len(names)], *[""] * (len(names) - len(row))])
    except csv.Error as error:
        raise SheetUnusableError(f"line {rows.line_num}: {error}") from None
    if not kept:
        raise SheetUnusableError("the file has a header and no rows")
    if ragged:
        said.append(f"{ragged} rows have more or fewer cells than the header; what is missing counts as not known")
    columns = {name: [row[place].strip() for row in kept] for place, name in enumerate(names)}
    return Sheet(columns, len(kept), tuple(said))


def _separator(text: str) -> str:
    line = text.splitlines()[0] if text.strip() else ""
    return max(",;\t|", key=lambda each: (line.count(each), each == ","))


def _names(head: Sequence[str]) -> list[str]:
    names: list[str] = []
    for place, cell in enumerate(head, start=1):
        name = cell.strip() or f"column {place}"
        names.append(name if name not in names else f"{name} ({place})")
    return names


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing is known."""
    return cell.casefold() in MISSING


def outcomes(cells: Sequence[str]) -> tuple[list[int | None], str]:
    """1, 0 or None (not known) for each cell, and how that was read. Raises SheetUnusableError when it is neither."""
    words = [cell.casefold() for cell in cells]
    there = {word for word in words if word != "" and word not in (MISSING - _NO)}
    if there <= _YES | _NO and there & _YES:
        read = {word: int(word in _YES) for word in there}
        return [read.get(word) for word in words], "yes: " + ", ".join(sorted(there & _YES))
    if len(there) == 2:  # noqa: PLR2004 - yes and no
        counts = {word: words.count(word) for word in there}
        positive = min(there, key=lambda word: (word not in _YES, counts[word], word))
        return [
            int(word == positive) if word in there else None for word in words
        ], f"yes: {positive} (the rarer of two)"
    some = ", ".join(sorted(there)[:6])
    raise SheetUnusableError(f"the outcome must be yes or no; this column holds {len(there)} values: {some}")


def numbers(cells: Iterable[str]) -> list[float | None]:
    """Numbers as people write them ("1,234.50", "12 %", "€ 5"); None where there is none."""
    return [_number(cell) for cell in cells]


def _number(cell: str) -> float | None:
    plain = cell.strip().lstrip("€$£").replace(" %", "%").strip()
    if not plain or not _NUMBER.fullmatch(plain):
        return None
    for mark in (",", " ", "'", "\u00a0", "%"):
        plain = plain.replace(mark, "")
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def moments(cells: Sequence[str]) -> list[float | None] | None:
    """Seconds since 1970 of each cell (UTC where no zone is named); None for all when these are no times."""
    present = [cell for cell in cells if not is_missing(cell)]
    if not present:
        return None
    for form in (None, *_DAY_FORMATS):
        sample = [_moment(cell, form) for cell in present[:200]]
        if sum(each is not None for each in sample) >= _MOSTLY * len(sample):
            return [None if is_missing(cell) else _moment(cell, form) for cell in cells]
    seconds = numbers(present)
    if all(each is not None and 1e8 < each < 1e13 for each in seconds):  # noqa: PLR2004 - 1973 and later, s or ms
        return [None if each is None else each / 1000 if each > 1e11 else each for each in numbers(cells)]  # noqa: PLR2004
    return None


def _moment(cell: str, form: str | None) -> float | None:
    try:
        if form is None:
            if not re.match(r"\d{4}-\d\d", cell):
                return None
            found = datetime.fromisoformat(cell if len(cell) > 7 else f"{cell}-01")  # noqa: PLR2004 - a month
        else:
            found = datetime.strptime(cell.split(" ", maxsplit=1)[0] if form[2] in "./-" else cell, form).replace(
                tzinfo=UTC
            )
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A column as values; `said` when reading it took a decision; `left_out`: why it is no feature."""

    values: Sequence[Value]
    said: str | None = None
    left_out: str | None = None


def read_column(cells: Sequence[str]) -> ReadColumn:
    """Numbers, days (as days since 1970) or words, by what nearly all of the cells are."""
    present = [cell for cell in cells if not is_missing(cell)]
    distinct = len(set(present))
    if distinct <= 1 and len(present) == len(cells):
        return ReadColumn([None] * len(cells), left_out="the same in every row")
    as_numbers = numbers(present)
    good = sum(each is not None for each in as_numbers)
    if present and good >= _MOSTLY * len(present):
        values: list[Value] = [None if is_missing(cell) else _number(cell) for cell in cells]
        if _counts_rows(as_numbers):
            return ReadColumn(values, left_out="a number of the row (identifier)")
        said = f"{len(present) - good} cells that are no numbers count as not known" if good < len(present) else None
        return ReadColumn(values, said)
    times = moments(cells)
    if times is not None:
        return ReadColumn([None if each is None else float(each // 86400) for each in times], "read as days")
    words: list[Value] = [None if is_missing(cell) else cell for cell in cells]
    return ReadColumn(words, left_out=_no_levels(present))


def _no_levels(present: Sequence[str]) -> str | None:
    """Why words are no levels of a feature; None when they are."""
    distinct = len(set(present))
    if distinct > _FEW and distinct >= _IDENTIFIER * len(present):
        return "names the row (identifier or free text)"
    if distinct > max(_FEW, len(present) / 2) and sum(map(len, present)) > _WORDY * len(present):
        return "free text"
    return None


def _counts_rows(values: Sequence[float | None]) -> bool:
    whole = [value for value in values if value is not None]
    # Amounts repeat; whole numbers that never do name rows.
    return len(whole) > _FEW and len(set(whole)) == len(whole) and all(value == int(value) for value in whole)


def day_of(seconds: float) -> date:
    """The day (UTC) of a moment."""
    return datetime.fromtimestamp(seconds, UTC).date()
