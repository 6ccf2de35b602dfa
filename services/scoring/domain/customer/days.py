"""The days on which a contact bought, and what they came to: the facts that the purchase models count (models.md, 1.1).

A contact keeps its latest days one by one and sums up those before, so that no number of orders makes it large. What
then still changes on such an old day is not followed here: the contact is due to be priced anew (see pricing.py).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from services.scoring.domain.customer.purchases import History

Days: TypeAlias = dict[int, int]
"""Day (since 1970, UTC) to what is left of its orders, in base minor units; nothing is left: no entry."""

MOST: Final = 64
_DAY_S: Final = 86_400
_DAYS_A_WEEK: Final = 7


class Earlier(NamedTuple):
    """The days before those that are kept one by one; `number` of them. `worth` sums all of them, the first too."""

    first: int
    first_worth: int
    last: int
    number: int
    worth: int


class Bought(NamedTuple):
    """What the days come to at some moment: `mean` is that of the repeat purchases (0.0 without one)."""

    history: History
    mean: float
    worth: int
    first: int
    last: int

    @property
    def purchases(self) -> int:
        """Days with a purchase, the first too."""
        return self.history.x + 1


def day_of(seconds: float) -> int:
    """The day of a moment, both since 1970 in UTC."""
    return int(seconds // _DAY_S)


def add(days: Days, day: int, worth: int) -> None:
    """So much more (or less) was bought on that day, in place."""
    left = days.get(day, 0) + worth
    if left > 0:
        days[day] = left
    else:
        days.pop(day, None)


def summed_up(days: Days, earlier: Earlier | None) -> tuple[Days, Earlier | None]:
    """The same with no more days than are kept; `days` itself is changed."""
    for day in sorted(days)[: max(0, len(days) - MOST)]:
        worth = days.pop(day)
        if earlier is None:
            earlier = Earlier(day, worth, day, 1, worth)
        else:
            earlier = earlier._replace(last=day, number=earlier.number + 1, worth=earlier.worth + worth)
    return days, earlier


def bought(days: Mapping[int, int], earlier: Earlier | None, today: int) -> Bought | None:
    """What all days come to as of `today`; None without a purchase."""
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
