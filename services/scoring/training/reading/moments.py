"""Days and times as files hold them. Which of two numbers is the day is decided once for a whole column."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from itertools import pairwise
from typing import Final

from services.scoring.training.reading.cells import is_missing, numbers
from shared.durations import DAY_S

_MOSTLY: Final = 0.95  # share of the values that must be times for the column to hold times
_CLOCK: Final = (
    r"(?:[T ,]+(?:at )?(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<part>\d+))?)?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)?(?:\s*\(?[A-Z]{3,4}\)?)?)?"
)
_WEEKDAY: Final = r"(?:[a-zäéû]{2,10}\.?,?\s+)?"
_MONTH: Final = r"(?P<name>[a-zäéû]{3,10})\.?"


def _form(text: str) -> re.Pattern[str]:
    return re.compile(text + _CLOCK, re.IGNORECASE)


_YEAR_FIRST: Final = _form(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})(?:[-/.](?P<day>\d{1,2}))?")
_COMPACT: Final = re.compile(
    r"(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T ]?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?(?P<zone>Z)?)?"
)
_NAMED: Final = (
    _form(_WEEKDAY + r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?[ \-/.]+" + _MONTH + r"[ \-/,]+(?P<year>\d{4}|\d{2})"),
    _form(_WEEKDAY + _MONTH + r"[ \-]+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?[ \-]+(?P<year>\d{4}|\d{2})(?!:)"),
    re.compile(_MONTH + r"[ \-/,]+(?P<year>\d{4}|\d{2})", re.IGNORECASE),
    re.compile(r"(?P<year>\d{4})[ \-/]" + _MONTH + r"(?:[ \-/](?P<day>\d{1,2}))?", re.IGNORECASE),
)
_DAY_FIRST: Final = _form(r"(?P<day>\d{1,2})[-/. ](?P<month>\d{1,2})[-/. ](?P<year>\d{4}|\d{2})")
_MONTH_FIRST: Final = _form(r"(?P<month>\d{1,2})[-/. ](?P<day>\d{1,2})[-/. ](?P<year>\d{4}|\d{2})")
_MONTH_AND_YEAR: Final = re.compile(r"(?P<month>\d{1,2})[-/.](?P<year>\d{4})")
_QUARTER: Final = re.compile(
    r"(?P<year>\d{4})[ \-]?Q(?P<quarter>[1-4])|Q(?P<first>[1-4])[ \-/]?(?P<then>\d{4})", re.IGNORECASE
)
_WEEK: Final = re.compile(r"(?P<year>\d{4})-?W(?P<week>\d{1,2})(?:-?(?P<day>[1-7]))?", re.IGNORECASE)
_UNIX_CTIME: Final = re.compile(
    _WEEKDAY + _MONTH + r"\s+(?P<day>\d{1,2}) (?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})"
    r" (?:[A-Z]+ )?(?P<year>\d{4})",
    re.IGNORECASE,
)  # fmt: skip
# By their first letters, in English, German, French, Spanish, Italian, Portuguese and Dutch.
_MONTHS: Final = (
    ("jan", "ene", "gen"), ("feb", "fév", "fev"), ("mar", "mär", "maa", "mrt", "mrz"), ("apr", "avr", "abr"),
    ("may", "mai", "mag", "mei"), ("jun", "juin", "giu"), ("jul", "juil", "lug"), ("aug", "aoû", "aou", "ago"),
    ("sep", "set"), ("oct", "okt", "ott", "out"), ("nov",), ("dec", "dez", "déc", "dic"),
)  # fmt: skip
_SECONDS: Final = (1e8, 1e10)  # numbers in this range are seconds since 1970; a thousand times larger, milliseconds
_CENTURY: Final = 70  # two-digit years: from here on 19..

Reader = Callable[[str], float | None]


@dataclass(frozen=True, slots=True)
class Moments:
    """Seconds since 1970 of each cell (UTC when no zone is named). `said`: decisions taken in reading them."""

    values: list[float | None]
    said: str | None = None


def moments(cells: Sequence[str]) -> Moments | None:
    """The cells as days or times; None when too few of them are."""
    present = {cell for cell in cells if not is_missing(cell)}
    if not present:
        return None
    read = _all(cells, present, _calendar)
    if read is not None:
        return Moments(read)
    by_day, by_month = (_all(cells, present, partial(_by, form)) for form in (_DAY_FIRST, _MONTH_FIRST))
    if by_day is None or by_month is None:
        read = by_day or by_month
        return Moments(read) if read is not None else _since_1970(cells, present)
    lost_by_day, lost_by_month = by_day.count(None), by_month.count(None)
    if lost_by_day != lost_by_month:
        return Moments(by_day if lost_by_day < lost_by_month else by_month)
    # Both readings work. Most files are in time order; if not, an American clock or a dot decides.
    day_order, month_order = _in_order(by_day), _in_order(by_month)
    if abs(day_order - month_order) > 0.1:  # noqa: PLR2004 - of the neighbours
        first = "day" if day_order > month_order else "month"
    else:
        first = "month" if any("m" in cell.casefold() for cell in present) else "day"
    return Moments(by_day if first == "day" else by_month, f"could be either; read with the {first} first")


def in_order(cells: Sequence[str]) -> Moments | None:
    """Cells that give a time, or at least an order: days or times, else years, else any numbers.

    Numbers count as days, with the beginning of 1970 at 0.
    """
    found = moments(cells)
    if found is not None:
        return found
    plain = [None if is_missing(cell) else value for cell, value in zip(cells, numbers(cells), strict=True)]
    known = [value for value in plain if value is not None]
    if not known or len(known) < _MOSTLY * sum(not is_missing(cell) for cell in cells):
        return None
    if all(value == int(value) and 1900 <= value <= 2100 for value in known):  # noqa: PLR2004
        return Moments(
            [None if value is None else datetime(int(value), 1, 1, tzinfo=UTC).timestamp() for value in plain],
            "read as years",
        )
    return Moments([None if value is None else value * DAY_S for value in plain], "numbers: read as days in order")


def _all(cells: Sequence[str], present: set[str], reader: Reader) -> list[float | None] | None:
    """Each cell by this reader; None when it reads too few of the cells that are not empty."""
    known: dict[str, float | None] = {}
    misses = 0
    for cell in present:
        known[cell] = reader(cell)
        misses += known[cell] is None
        if misses > 20 and misses > len(present) / 2:  # noqa: PLR2004 - words, not times
            return None
    said = [cell for cell in cells if cell in present]
    if sum(known[cell] is not None for cell in said) < _MOSTLY * len(said):
        return None
    return [known.get(cell) for cell in cells]


def _since_1970(cells: Sequence[str], present: set[str]) -> Moments | None:
    values = numbers(sorted(present))
    low, high = _SECONDS
    for unit in (1.0, 1e3, 1e6):
        if all(value is not None and low * unit < value < high * unit for value in values):
            return Moments([None if value is None else value / unit for value in numbers(cells)])
    return None


def _in_order(values: Sequence[float | None]) -> float:
    """The share of neighbours that run in one direction of time."""
    known = [value for value in values if value is not None]
    rising = sum(a <= b for a, b in pairwise(known))
    falling = sum(a >= b for a, b in pairwise(known))
    return max(rising, falling) / max(1, len(known) - 1)


def _calendar(cell: str) -> float | None:
    """Read what has only one reading."""
    plain = cell.strip()
    for form in (_YEAR_FIRST, _COMPACT, *_NAMED, _UNIX_CTIME, _MONTH_AND_YEAR):
        if (found := form.fullmatch(plain)) is not None:
            return _moment(found)
    if (found := _QUARTER.fullmatch(plain)) is not None:
        year, quarter = found["year"] or found["then"], int(found["quarter"] or found["first"])
        return datetime(int(year), 3 * quarter - 2, 1, tzinfo=UTC).timestamp()
    if (found := _WEEK.fullmatch(plain)) is not None:
        try:
            day = date.fromisocalendar(int(found["year"]), int(found["week"]), int(found["day"] or 1))
        except ValueError:
            return None
        return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    return None


def _by(form: re.Pattern[str], cell: str) -> float | None:
    """Read by this form, or what has only one reading: files are put together from several."""
    found = form.fullmatch(cell.strip())
    return _calendar(cell) if found is None else _moment(found)


def _moment(found: re.Match[str]) -> float | None:
    said = found.groupdict()
    month = _named(said["name"]) if said.get("name") else int(said["month"])
    year = int(said["year"])
    if len(said["year"]) == 2:  # noqa: PLR2004 - digits
        year += 1900 if year >= _CENTURY else 2000
    hour = int(said.get("hour") or 0)
    half = (said.get("half") or "").lower()[:1]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    try:
        made = datetime(
            year, month, int(said.get("day") or 1), hour, int(said.get("minute") or 0), int(said.get("second") or 0),
            tzinfo=_zone(said.get("zone")),
        )  # fmt: skip
    except ValueError:
        return None
    return made.timestamp() + float(f"0.{said.get('part') or 0}")


def _named(name: str) -> int:
    plain = name.casefold()
    return next((place for place, ways in enumerate(_MONTHS, 1) if plain.startswith(ways)), 0)


def _zone(said: str | None) -> timezone:
    if said is None or said[0] not in "+-":
        return UTC
    digits = said[1:].replace(":", "").ljust(4, "0")
    return timezone((-1 if said[0] == "-" else 1) * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


def day_of(seconds: float) -> date:
    """The day (UTC) of a moment."""
    return datetime.fromtimestamp(seconds, UTC).date()
