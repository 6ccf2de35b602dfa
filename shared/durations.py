"""Durations as people write them (`60m`, `1h30m`, `30d`): the only place that reads and adds them."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

DAY_S: Final = 86_400  # on the clock, not the calendar
_PART: Final = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_DAYS: Final = {"d": 1, "w": 7}
_LONGEST_DAYS: Final = 3660
_UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Duration:
    """Calendar days, then elapsed seconds. A day is a day on the contact's calendar: 23, 24 or 25 hours."""

    days: int
    seconds: int

    @property
    def nominal_seconds(self) -> int:
        """Its length if every day had 24 hours: only for comparing two durations."""
        return self.days * DAY_S + self.seconds


def parse_duration(text: str) -> Duration:
    """`90s`, `60m` (minutes, never months), `2h`, `1h30m`, `30d`, `2w`. Raises ValueError with what is allowed."""
    compact = text.replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text!r} is not a duration; write 90s, 60m (minutes), 2h, 1h30m, 30d or 2w")
    days = sum(int(number) * _DAYS[unit] for number, unit in parts if unit in _DAYS)
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in parts if unit in _SECONDS)
    found = Duration(days, seconds)
    if not 0 < found.nominal_seconds <= _LONGEST_DAYS * DAY_S:
        raise ValueError(f"{text!r} is not a usable duration; it must be longer than 0 and at most ten years")
    return found


def zone_of(name: str | None) -> ZoneInfo:
    """The zone with this IANA name (`Europe/Berlin`); UTC when unknown. `EST` and `+02:00` are offsets, not zones."""
    return _zone(name) if name and "/" in name else _UTC


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # a path, a folder of the database, an unknown name
        return _UTC


def plus(moment: datetime, length: Duration, zone: ZoneInfo) -> datetime:
    """`moment` (aware) plus the calendar days in `zone`, then the elapsed seconds; in UTC."""
    moment = moment.astimezone(UTC)
    if length.days:
        wall = moment.astimezone(zone).replace(tzinfo=None, fold=0) + timedelta(days=length.days)
        moment = instant(wall, zone)
    return moment + timedelta(seconds=length.seconds)


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which a clock in `zone` shows `wall` or later.

    A time that exists twice (autumn) is its first occurrence; one that does not exist (spring) is the first
    moment after the gap.
    """
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return early
    # In the gap fold=1 gives a moment before the change and fold=0 one after it: the change lies between.
    low, high = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), early
    while high - low > timedelta(microseconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).replace(tzinfo=None, fold=0) >= wall:
            high = middle
        else:
            low = middle
    return high
