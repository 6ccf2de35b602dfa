"""The customer model from everybody's purchase days, judged on later purchases."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from services.scoring.domain.customer.days import Bought, Days, Earlier, bought
from services.scoring.domain.customer.population import CustomerModel
from services.scoring.domain.customer.purchases import PurchaseModel
from services.scoring.domain.customer.rfm import RfmCuts
from services.scoring.domain.model.learnt import customer_parameters
from services.scoring.training.candidate import Candidate, TooFewError
from services.scoring.training.customers.fit import (
    FitFailedError,
    centre_of,
    fit_purchases,
    fit_spend,
    log_likelihoods,
    spend_like_others,
)
from services.scoring.training.evaluation import better
from services.scoring.training.leads.design import Numbers
from shared.durations import DAY_S

_KIND: Final = "mbg"  # a customer may leave right after the first purchase: what people expect of P(alive)
_FEWEST: Final = 30  # customers
_FEWEST_REPEATERS: Final = 5
_LONGEST_TEST: Final = 182  # days
_SHORTEST_TEST: Final = 28

Customer = tuple[Days, Earlier | None]


def fit_customer_model(
    customers: Sequence[Customer], today: int, in_force: CustomerModel | None, since: int | None
) -> Candidate:
    """The candidate as of `today`; `in_force` dates from `since`. Raises TooFewError and FitFailedError."""
    so_far = [found for days, earlier in customers if (found := bought(days, earlier, today)) is not None]
    _enough(so_far, "bought")
    is_better, metrics, said = _judged(customers, so_far, today, in_force, since)
    x, last, age, mean = _histories(so_far)
    purchases = fit_purchases(x, last, age, _KIND)
    try:
        fitted = fit_spend(x, mean)
        spend, correlation = fitted.model, fitted.correlation
    except FitFailedError:
        spend, correlation = spend_like_others(mean[mean > 0]), 0.0
        said += "; all spend alike, so spend is of the published shape"
    metrics |= {
        "customers": len(so_far),
        "purchases": asdict(purchases.model),
        "spend": asdict(spend),
        "spend_correlation": correlation,
    }
    return Candidate(
        kind="customer",
        parameters=customer_parameters(purchases.model, spend, _cuts(so_far, today)),
        metrics=metrics,
        rows=len(so_far),
        trained_until=datetime.fromtimestamp(today * DAY_S, UTC),
        better=is_better,
        said=said,
    )


def _enough(of: Sequence[Bought], did: str) -> None:
    again = sum(each.history.x > 0 for each in of)
    if len(of) < _FEWEST or again < _FEWEST_REPEATERS:
        raise TooFewError(
            f"{len(of)} customers {did}, {again} of them again: too few, {_FEWEST} and {_FEWEST_REPEATERS} are needed"
        )


def _judged(
    customers: Sequence[Customer],
    so_far: Sequence[Bought],
    today: int,
    in_force: CustomerModel | None,
    since: int | None,
) -> tuple[bool, dict[str, Any], str]:
    """Whether a fit on everything up to some day predicts what came after better than the model in force."""
    cut = _cut(so_far, today, since)
    known, later = [], []
    for days, earlier in customers:
        if earlier is not None and earlier.last > cut:
            continue  # its days around the cut are already aggregated
        before = bought({day: worth for day, worth in days.items() if day <= cut}, earlier, cut)
        after = bought(days, earlier, today)
        if before is not None and after is not None:
            known.append(before)
            later.append(after)
    _enough(known, f"bought before the last {today - cut} days")
    x, last, age, _ = _histories(known)
    fitted = fit_purchases(x, last, age, _KIND).model
    current = in_force.purchases if in_force is not None else centre_of(age, _KIND)
    lost, lost_now = _later_loss(fitted, known, later), _later_loss(current, known, later)
    expected = math.fsum(fitted.expected(each.history, (today - cut) / 7) for each in known)
    came = sum(after.history.x - before.history.x for before, after in zip(known, later, strict=True))
    metrics = {
        "log_loss": float(lost.mean()),
        "compared": {"log_loss": float(lost_now.mean())},
        "test_days": today - cut,
        "expected_purchases": expected,
        "purchases_that_came": came,
    }
    against = "the model in force" if in_force is not None else "published figures"
    said = (
        f"log loss {lost.mean():.4f} on the last {today - cut} days, {against} {lost_now.mean():.4f}; "
        f"{expected:.0f} purchases expected in them, {came} came"
    )
    return better(lost, lost_now), metrics, said


def _cut(so_far: Sequence[Bought], today: int, since: int | None) -> int:
    """The day up to which to fit and after which to judge: only on what the model in force has not seen."""
    if since is not None:
        if today - since < 2 * _SHORTEST_TEST:
            raise TooFewError(f"the model in force is of {today - since} days ago: too little has come since")
        return since + (today - since) // 2
    span = today - min(each.first for each in so_far)
    length = min(_LONGEST_TEST, span // 3)
    if length < _SHORTEST_TEST:
        raise TooFewError(f"the first purchase was {span} days ago: too little has come since to judge by")
    return today - length


def _later_loss(model: PurchaseModel, known: Sequence[Bought], later: Sequence[Bought]) -> Numbers:
    """Negative log-likelihood of what each customer did after the cut, given what they had done before."""
    return log_likelihoods(model, *_histories(known)[:3]) - log_likelihoods(model, *_histories(later)[:3])


def _histories(of: Sequence[Bought]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    x = np.array([float(each.history.x) for each in of])
    last, age = np.array([each.history.last for each in of]), np.array([each.history.age for each in of])
    return x, last, age, np.array([each.mean for each in of])


def _cuts(so_far: Sequence[Bought], today: int) -> RfmCuts:
    def fifths(values: list[int]) -> tuple[float, ...]:
        return tuple(float(cut) for cut in np.quantile(np.array(values, dtype=float), (0.2, 0.4, 0.6, 0.8)))

    return RfmCuts(
        fifths([today - each.last for each in so_far]),
        fifths([each.purchases for each in so_far]),
        fifths([each.worth for each in so_far]),
    )
