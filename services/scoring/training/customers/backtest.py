"""What the customer models would have predicted: fitted on the first part of the past, tested on the rest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

import numpy as np

from services.scoring.domain.customer.history import Summary, summarise
from services.scoring.training.customers.fit import FitFailedError, PurchaseFit, SpendFit, fit_purchases, fit_spend
from services.scoring.training.reading.sheet import SheetUnusableError

_FITTED_SHARE: Final = 2 / 3  # of the time; the rest is held out
_FEWEST: Final = 10  # customers
_SAMPLE: Final = 1000  # customers whose future is simulated
_DRAWS: Final = 100  # of each
_Z: Final = 1.959963984540054  # two-sided 95 %
_INSIDE: Final = (0.05, 0.95)  # of a customer's draws
_YEAR: Final = 52.0  # weeks
_GROUPS: Final = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 6), (7, None))


@dataclass(frozen=True, slots=True)
class Group:
    """Customers by their repeat purchases before the split: means per customer, values in the file's own unit."""

    repeats: str
    customers: int
    predicted_purchases: float
    actual_purchases: float
    predicted_value: float
    actual_value: float


@dataclass(frozen=True, slots=True)
class PurchasesBacktest:
    """`split`: the last day that the models saw, before `weeks` held out. Totals cover the customers known by then.

    `purchases_off` and `value_off`: half of the 95 % interval around the predicted totals, from chance alone; the
    models may be off by more. `covered`: the share of customers whose purchases fell into their own 90 % interval.
    `of_new`: repeat purchases expected of a new customer in a year.
    """

    orders: int
    customers: int
    split: date
    weeks: float
    purchases: PurchaseFit
    spend: SpendFit | None
    predicted_purchases: float
    actual_purchases: int
    predicted_value: float
    actual_value: float
    mean_error: float
    purchases_off: float
    value_off: float
    covered: float
    of_new: float
    groups: tuple[Group, ...]


Orders = Mapping[str, Sequence[tuple[date, float]]]


def backtest_purchases(orders: Orders, split: date | None = None) -> PurchasesBacktest:
    """Backtest each customer's orders. `split` defaults to two thirds of the time.

    Raises SheetUnusableError when there is too little to fit or to hold out.
    """
    days = sorted(day for each in orders.values() for day, _ in each)
    if not days:
        raise SheetUnusableError("no purchase has a customer, a day and an amount")
    split = split or days[0] + timedelta(days=int((days[-1] - days[0]).days * _FITTED_SHARE))
    weeks = (days[-1] - split).days / 7
    known = {who: found for who, each in orders.items() if (found := summarise(each, split)) is not None}
    if len(known) < _FEWEST or weeks <= 0:
        raise SheetUnusableError(
            f"{len(known)} customers bought until {split}, and {weeks:.0f} weeks follow: too few to learn from"
        )
    x, last, age, mean = np.array(
        [(each.history.x, each.history.last, each.history.age, each.mean) for each in known.values()], dtype=np.float64
    ).T
    try:
        purchases = fit_purchases(x, last, age, "mbg")
    except FitFailedError as error:
        raise SheetUnusableError(str(error)) from None
    try:
        spend = fit_spend(x, mean)
    except FitFailedError:
        spend = None
    average = float(np.mean([value for each in orders.values() for day, value in each if day <= split]))
    predicted = {who: _predicted(each, purchases, spend, average, weeks) for who, each in known.items()}
    actual = {who: _actual(orders[who], split) for who in known}
    drawn = _drawn(known, actual, purchases, spend, average, weeks)
    return PurchasesBacktest(
        orders=len(days),
        customers=len(known),
        split=split,
        weeks=weeks,
        purchases=purchases,
        spend=spend,
        predicted_purchases=sum(count for count, _ in predicted.values()),
        actual_purchases=sum(count for count, _ in actual.values()),
        predicted_value=sum(value for _, value in predicted.values()),
        actual_value=sum(value for _, value in actual.values()),
        mean_error=float(np.mean([abs(predicted[who][0] - actual[who][0]) for who in known])),
        purchases_off=drawn[0],
        value_off=drawn[1],
        covered=drawn[2],
        of_new=purchases.model.expected_of_new(_YEAR),
        groups=tuple(_groups(known, predicted, actual)),
    )


def _predicted(
    of: Summary, purchases: PurchaseFit, spend: SpendFit | None, average: float, weeks: float
) -> tuple[float, float]:
    count = purchases.model.expected(of.history, weeks)
    each = spend.model.expected(of.history.x, of.mean) if spend else average
    return count, count * each


def _drawn(
    known: Mapping[str, Summary],
    actual: Mapping[str, tuple[int, float]],
    purchases: PurchaseFit,
    spend: SpendFit | None,
    average: float,
    weeks: float,
) -> tuple[float, float, float]:
    """Simulate how far chance alone moves both totals, and how many customers fall into their interval."""
    dice = Random(1)  # noqa: S311 - the same figures each time
    who = sorted(known)
    if len(who) > _SAMPLE:
        who = dice.sample(who, _SAMPLE)
    spread = np.zeros(2)
    covered = 0
    for each in who:
        of = known[each]
        counts = [purchases.model.draw(of.history, weeks, dice) for _ in range(_DRAWS)]
        values = [
            count * average if spend is None else spend.model.draw(of.history.x, of.mean, count, dice)
            for count in counts
        ]
        spread += np.var(counts), np.var(values)
        low, high = np.quantile(counts, _INSIDE, method="inverted_cdf")
        covered += int(low <= actual[each][0] <= high)
    off = _Z * np.sqrt(spread / len(who) * len(known))
    return float(off[0]), float(off[1]), covered / len(who)


def _actual(orders: Iterable[tuple[date, float]], split: date) -> tuple[int, float]:
    later = [(day, value) for day, value in orders if day > split and value > 0]
    return len({day for day, _ in later}), sum(value for _, value in later)


def _groups(
    known: Mapping[str, Summary], predicted: Mapping[str, tuple[float, float]], actual: Mapping[str, tuple[int, float]]
) -> Iterable[Group]:
    for least, most in _GROUPS:
        who = [each for each, of in known.items() if of.history.x >= least and (most is None or of.history.x <= most)]
        if who:
            name = f"{least}" if least == most else f"{least} and more" if most is None else f"{least} to {most}"
            sums = np.array([(*predicted[each], *actual[each]) for each in who], dtype=np.float64).mean(axis=0)
            yield Group(name, len(who), float(sums[0]), float(sums[2]), float(sums[1]), float(sums[3]))
