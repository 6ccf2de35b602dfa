"""What each source sent lately, in memory: to find out why leads do not arrive."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

_MINUTES: Final = 60
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
NOBODY: Final = "none"  # requests of no known source


class Minute(NamedTuple):
    """The counts of one minute; `begins` in UTC."""

    begins: datetime
    accepted: int
    refused: int


@dataclass(slots=True)
class OfSource:
    """The counts of one source since this process began. `minutes`: accepted and refused, by the minute since 1970."""

    last_event: datetime | None = None
    minutes: dict[int, list[int]] = field(default_factory=dict)
    # The minute that was counted last, which is nearly always the next one's too.
    _begins: datetime = _NEVER
    _ends: datetime = _NEVER
    _counts: list[int] = field(default_factory=list)

    def count(self, now: datetime, accepted: int, refused: int) -> None:
        """Add to the current minute."""
        if not self._begins <= now < self._ends:
            self._turn_to(now)
        self._counts[0] += accepted
        self._counts[1] += refused

    def _turn_to(self, now: datetime) -> None:
        minute = int(now.timestamp()) // 60
        if minute not in self.minutes:
            for old in [each for each in self.minutes if each <= minute - _MINUTES]:
                del self.minutes[old]
            self.minutes[minute] = [0, 0]
        self._begins, self._ends = (datetime.fromtimestamp(60 * each, UTC) for each in (minute, minute + 1))
        self._counts = self.minutes[minute]

    def last_minutes(self, now: datetime) -> list[Minute]:
        """The minutes of the last hour with any requests, newest first."""
        oldest = int(now.timestamp()) // 60 - _MINUTES
        return [
            Minute(datetime.fromtimestamp(60 * minute, UTC), *counts)
            for minute, counts in sorted(self.minutes.items(), reverse=True)
            if minute > oldest
        ]


class Recent:
    """The counts of every source."""

    def __init__(self, names: Iterable[str], since: datetime) -> None:
        """`names`: the configured sources; unknown ones create no entries."""
        self.since = since
        self.sources = {name: OfSource() for name in (*names, NOBODY)}

    def accepted(self, source: str, events: int, now: datetime) -> None:
        """Count events of the source that are stored."""
        of = self.sources.get(source)
        if of is not None:
            of.last_event = now
            of.count(now, events, 0)

    def refused(self, source: str | None, now: datetime) -> None:
        """Count a refusal of the source."""
        of = self.sources.get(source or NOBODY)
        if of is not None:
            of.count(now, 0, 1)
