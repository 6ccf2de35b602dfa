"""From a customer's orders to what the models count (models.md, 1.1)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from services.scoring.domain.customer.purchases import NEW, History

_DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class Summary:
    """A customer's history, and the mean value of the repeat purchases in the unit of the orders (0.0 without one)."""

    history: History
    mean: float


def summarise(orders: Iterable[tuple[date, float]], today: date) -> Summary | None:
    """The summary of orders, by day and value after refunds; those after `today` do not count.

    Purchases of one day count as one, and worthless ones (free, or fully refunded) not at all. None without any.
    """
    days: dict[date, float] = {}
    for day, value in orders:
        if day <= today and value > 0:
            days[day] = days.get(day, 0.0) + value
    if not days:
        return None
    first, last = min(days), max(days)
    age = (today - first).days / _DAYS_A_WEEK
    repeats = len(days) - 1
    if not repeats:
        return Summary(NEW if age == 0 else History(0, 0.0, age), 0.0)
    total = sum(value for day, value in sorted(days.items()) if day != first)
    return Summary(History(repeats, (last - first).days / _DAYS_A_WEEK, age), total / repeats)
