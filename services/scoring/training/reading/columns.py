"""A column of text as values: numbers, days or words, whichever nearly all of its cells are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from services.scoring.domain.lead.features import Value
from services.scoring.training.reading.cells import is_missing, numbers
from services.scoring.training.reading.moments import moments
from shared.durations import DAY_S

_MOSTLY: Final = 0.95  # share of the values that must be numbers for the column to be numeric
_IDENTIFIER: Final = 0.9  # distinct values per row from which words identify the row instead of describing it
_FEW: Final = 50
_WORDY: Final = 40  # characters on average: free text
_BY_CHANCE: Final = 5.0  # repeats expected by chance; when there are none, chance did not draw the numbers
_NAMES_ROWS: Final = re.compile(
    r"\b(ids?|uuid|guid|index|key|number|no|nr|num|row|serial|phone|mobile|telephone|fax|e ?mail|url|ip|hash|token)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A column as values. `said`: decisions taken in reading it; `left_out`: why it is not a feature.

    `times`: seconds since 1970, for days and times.
    """

    values: Sequence[Value]
    said: str | None = None
    left_out: str | None = None
    times: Sequence[float | None] | None = None


def read_column(cells: Sequence[str], name: str = "") -> ReadColumn:
    """Numbers, days (as days since 1970) or words."""
    missing = {cell for cell in set(cells) if is_missing(cell)}
    present = [cell for cell in cells if cell not in missing]
    distinct = len(set(present))
    if not present:
        return ReadColumn([None] * len(cells), left_out="empty")
    if distinct <= 1 and len(present) == len(cells):
        return ReadColumn([None] * len(cells), left_out="the same in every row")
    as_numbers = numbers(present)
    good = sum(each is not None for each in as_numbers)
    if good >= _MOSTLY * len(present) and not _days_in_digits(present):
        found = iter(as_numbers)
        values: list[Value] = [None if cell in missing else next(found) for cell in cells]
        if _counts_rows([each for each in as_numbers if each is not None], words_of(name)):
            return ReadColumn(values, left_out="numbers the rows (identifier)")
        said = f"{len(present) - good} cells that are no numbers count as not known" if good < len(present) else None
        return ReadColumn(values, said)
    times = moments(cells)
    if times is not None:
        days: list[Value] = [None if each is None else float(each // DAY_S) for each in times.values]
        return ReadColumn(days, times.said or "read as days", times=times.values)
    words: list[Value] = [None if cell in missing else cell for cell in cells]
    return ReadColumn(words, left_out=_no_levels(present, words_of(name)))


def words_of(name: str) -> str:
    """`callDuration_s` in words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", name).strip()


def _days_in_digits(present: Sequence[str]) -> bool:
    """Whether these are days written as 20260131: digits, and every one a day."""
    digits = all(len(cell) == 8 and cell[:2] in ("19", "20") for cell in present)  # noqa: PLR2004
    return digits and moments(present) is not None


def _no_levels(present: Sequence[str], name: str) -> str | None:
    """Why words cannot be the levels of a feature; None when they can."""
    distinct = len(set(present))
    if distinct > _FEW and distinct >= _IDENTIFIER * len(present):
        return "names the row (identifier or free text)"
    if distinct > max(_FEW, len(present) / 2):
        if sum(map(len, present)) > _WORDY * len(present):
            return "free text"
        if _NAMES_ROWS.search(name):
            return "names the row (identifier)"
    return None


def _counts_rows(values: Sequence[float], name: str) -> bool:
    """Whether whole numbers that hardly ever repeat identify the row: amounts repeat, or are spread widely."""
    count = len(values)
    if count <= _FEW or any(value != int(value) for value in values):
        return False
    distinct = len(set(values))
    if _NAMES_ROWS.search(name) and distinct >= _IDENTIFIER * count:
        return True
    if distinct < count:
        return False
    spread = max(values) - min(values) + 1
    rising = sum(a < b for a, b in pairwise(values)) in (0, count - 1)
    return rising or count**2 / (2 * spread) >= _BY_CHANCE
