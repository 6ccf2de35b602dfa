"""The days on which a contact bought, and their sums: what the purchase models count (models.md, 1.1).

A contact keeps its latest days one by one and a sum of those before, so that its size is bounded. A change to such an
old day is not followed here: the contact is due to be repriced (pricing.py).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from services.scoring.domain.customer.purchases import History
from shared.durations import DAY_S

Days: TypeAlias = dict[int, int]
"""Day (since 1970, UTC) to what is left of its orders, in base minor units; nothing is left: no entry."""

MOST: Final = 64
_DAYS_A_WEEK: Final = 7


class Earlier(NamedTuple):
    """The `number` of days before those kept one by one. `worth` is their sum, the first included."""

    first: int
    first_worth: int
    last: int
    number: int
    worth: int


class Bought(NamedTuple):
    """All days as of some moment: `mean` is that of the repeat purchases (0.0 without one)."""

    history: History
    mean: float
    worth: int
    first: int
    last: int

    @property
    def purchases(self) -> int:
        """Days with a purchase, the first included."""
        return self.history.x + 1


def day_of(seconds: float) -> int:
    """The day of a time, both counted since 1970 in UTC."""
    return int(seconds // DAY_S)


def add(days: Days, day: int, worth: int) -> None:
    """Add to what was bought on that day, in place; a negative amount takes away."""
    left = days.get(day, 0) + worth
    if left > 0:
        days[day] = left
    else:
        days.pop(day, None)


def summed_up(days: Days, earlier: Earlier | None) -> tuple[Days, Earlier | None]:
    """The same, cut to the days that are kept; changes `days` itself."""
    for day in sorted(days)[: max(0, len(days) - MOST)]:
        worth = days.pop(day)
        if earlier is None:
            earlier = Earlier(day, worth, day, 1, worth)
        else:
            earlier = earlier._replace(last=day, number=earlier.number + 1, worth=earlier.worth + worth)
    return days, earlier


def bought(days: Mapping[int, int], earlier: Earlier | None, today: int) -> Bought | None:
    """The summary of all days as of `today`; None without a purchase."""
    if not days and earlier is None:
        return None
    first = earlier.first if earlier is not None else min(days)
    last = max(days) if days else earlier.last if earlier is not None else first
    worth = sum(days.values()) + (earlier.worth if earlier is not None else 0)
    repeats = len(days) + (earlier.number if earlier is not None else 0) - 1
    age = (max(today, last) - first) / _DAYS_A_WEEK
    if not repeats:
        return Bought(History(0, 0.0, age), 0.0, worth, first, last)
    first_worth = earlier.first_worth if earlier is not None else days[first]
    return Bought(
        History(repeats, (last - first) / _DAYS_A_WEEK, age), (worth - first_worth) / repeats, worth, first, last
    )
