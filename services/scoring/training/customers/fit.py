"""Fits of the population's purchases (BG/NBD, MBG/NBD) and spend (Gamma-Gamma) from customers' histories.

The likelihoods are those of the papers named in `domain/customer/purchases.py` and `spend.py`. A wide normal prior on
the log of each parameter keeps the fit finite for ten customers and is negligible from a thousand on. Customers in one
cell (same repeat purchases, ages within a week) are grouped: a million become a few thousand, and the fit takes
milliseconds.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from services.scoring.domain.customer.purchases import PurchaseKind, PurchaseModel
from services.scoring.domain.customer.spend import SpendModel

Numbers = NDArray[np.float64]

# Where there is no data: the published values for CDNOW, in weeks. Spend has no unit of its own: `v` follows the
# data's mean.
_CENTRE: Final = {"bg": (0.243, 4.414, 0.793, 2.426), "mbg": (0.525, 6.183, 0.891, 1.614)}
_SPEND_CENTRE: Final = (6.25, 3.74)
_SD: Final = 1.0  # of the prior, on logs
_CELLS_FROM: Final = 20_000  # customers; with fewer, each counts on its own
_CELL_WEEKS: Final = 1.0
_CELL_LOG_SPEND: Final = 0.02
_LOWEST_Q: Final = 1.01  # q <= 1 has no mean
# The largest final gradient that counts as converged, in log-likelihood per unit of log parameter: for a hundred
# customers, and for more by the root of their number: as far from the optimum, in standard errors.
_STEEP: Final = 0.5
_STEEP_FOR: Final = 100


class FitFailedError(ValueError):
    """The optimiser found no usable optimum: the old model stays."""


@dataclass(frozen=True, slots=True)
class PurchaseFit:
    """`log_likelihood` excludes the prior and covers all customers."""

    model: PurchaseModel
    log_likelihood: float
    customers: int


@dataclass(frozen=True, slots=True)
class SpendFit:
    """`correlation` of repeat purchases with their mean value: the model assumes that it is near 0."""

    model: SpendModel
    log_likelihood: float
    customers: int
    correlation: float


def fit_purchases(
    x: Numbers, last: Numbers, age: Numbers, kind: PurchaseKind, *, prior_sd: float | None = _SD
) -> PurchaseFit:
    """The most likely population; `x`, `last`, `age` are a `History` each. `prior_sd` None: without a prior.

    Raises FitFailedError.
    """
    check_histories(x, last, age)
    count = len(x)
    centre = _centre(age, kind)
    cells, weights = _cells(np.column_stack((x, last, age)))
    cx, cl, ca = cells.T

    def cost(logs: Numbers) -> tuple[float, Numbers]:
        value, gradient = _purchase_likelihood(np.exp(logs), cx, cl, ca, weights, kind)
        gradient = gradient * np.exp(logs)
        if prior_sd is not None:
            value -= float(np.sum((logs - centre) ** 2)) / (2 * prior_sd**2)
            gradient = gradient - (logs - centre) / prior_sd**2
        return -value, -gradient

    r, alpha, a, b = (float(number) for number in np.exp(_least(cost, centre, [(-12.0, 12.0)] * 4, count)))
    value, _ = _purchase_likelihood(np.array([r, alpha, a, b]), cx, cl, ca, weights, kind)
    return PurchaseFit(PurchaseModel(kind, r, alpha, a, b), value, count)


def fit_spend(x: Numbers, mean: Numbers, *, prior_sd: float | None = _SD) -> SpendFit:
    """The most likely population of spenders, from customers with repeat purchases; others are ignored.

    `mean` is the mean value of the repeat purchases, in any one currency. Raises FitFailedError when nobody is left.
    """
    used = (x > 0) & (mean > 0) & np.isfinite(mean)
    x, mean = x[used], mean[used]
    if not len(x):
        raise FitFailedError("no customer has a repeat purchase of a value above 0")
    correlation = float(np.corrcoef(x, mean)[0, 1]) if len(x) > 2 and x.std() > 0 and mean.std() > 0 else 0.0  # noqa: PLR2004
    cells, weights = _spend_cells(x, mean)
    p, q = _SPEND_CENTRE
    centre = np.array([np.log(p), np.log(q - 1.0), np.log(float(np.mean(mean)) * (q - 1.0) / p)])

    def cost(logs: Numbers) -> tuple[float, Numbers]:
        p, less, v = np.exp(logs)
        value, gradient = _spend_likelihood(p, 1.0 + less, v, cells, weights)
        gradient = gradient * np.array([p, less, v])
        if prior_sd is not None:
            value -= float(np.sum((logs - centre) ** 2)) / (2 * prior_sd**2)
            gradient = gradient - (logs - centre) / prior_sd**2
        return -value, -gradient

    lowest = float(np.log(_LOWEST_Q - 1.0))
    found = np.exp(_least(cost, centre, [(-12.0, 12.0), (lowest, 12.0), (centre[2] - 12.0, centre[2] + 12.0)], len(x)))
    model = SpendModel(float(found[0]), float(1.0 + found[1]), float(found[2]))
    value, _ = _spend_likelihood(model.p, model.q, model.v, cells, weights)
    return SpendFit(model, value, len(x), correlation)


def spend_like_others(mean: Numbers) -> SpendModel:
    """The published population scaled to this data's mean: where everybody spends the same there is no fit."""
    p, q = _SPEND_CENTRE
    return SpendModel(p, q, float(np.mean(mean)) * (q - 1.0) / p)


def check_histories(x: Numbers, last: Numbers, age: Numbers) -> None:
    """Raises ValueError with the row of the first impossible history (see `History`)."""
    good = (x >= 0) & (last >= 0) & (last <= age) & np.isfinite(age) & ((x > 0) == (last > 0))
    if not good.all():
        row = int(np.argmin(good))
        raise ValueError(
            f"row {row}: no history: {x[row]:g} repeat purchases, the last at {last[row]:g} of {age[row]:g} weeks"
        )


def _least(cost: "object", start: Numbers, bounds: list[tuple[float, float]], count: int) -> Numbers:
    found = minimize(
        cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-6}
    )
    low, high = np.array(bounds).T
    free = (found.x > low + 1e-9) & (found.x < high - 1e-9)
    steep = float(np.max(np.abs(found.jac[free]), initial=0.0))
    if (
        not np.all(np.isfinite(found.x))
        or not np.isfinite(found.fun)
        or steep > _STEEP * max(1.0, count / _STEEP_FOR) ** 0.5
    ):
        raise FitFailedError(f"the fit did not settle (gradient {steep:.3g}): {found.message}")
    return np.asarray(found.x, dtype=np.float64)


def _cells(rows: Numbers) -> tuple[Numbers, Numbers]:
    if len(rows) < _CELLS_FROM:
        return rows, np.ones(len(rows))
    rounded = rows.copy()
    rounded[:, 1:] = np.ceil(rows[:, 1:] / _CELL_WEEKS)  # upwards: a repeat purchase never falls on the first
    keys = (rounded[:, 0] * 1e5 + rounded[:, 1]) * 1e5 + rounded[:, 2]
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    weights = counts.astype(np.float64)
    means = [np.bincount(inverse, column) / weights for column in rows.T]
    return np.column_stack(means), weights


def _spend_cells(x: Numbers, mean: Numbers) -> tuple[Numbers, Numbers]:
    """x, mean and log of the mean, averaged within each cell."""
    columns = (x, mean, np.log(mean))
    if len(x) < _CELLS_FROM:
        return np.column_stack(columns), np.ones(len(x))
    keys = x * 1e6 + np.round(columns[2] / _CELL_LOG_SPEND)
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    weights = counts.astype(np.float64)
    return np.column_stack([np.bincount(inverse, column) / weights for column in columns]), weights


def _purchase_likelihood(
    parameters: Numbers, x: Numbers, last: Numbers, age: Numbers, weights: Numbers, kind: PurchaseKind
) -> tuple[float, Numbers]:
    """The total log-likelihood, and its gradient by r, alpha, a, b."""
    value, gradient = _purchase_likelihoods(parameters, x, last, age, kind)
    return float(weights @ value), gradient @ weights


def log_likelihoods(model: PurchaseModel, x: Numbers, last: Numbers, age: Numbers) -> Numbers:
    """The log-likelihood of each history."""
    parameters = np.array([model.r, model.alpha, model.a, model.b])
    return _purchase_likelihoods(parameters, x, last, age, model.kind)[0]


def centre_of(age: Numbers, kind: PurchaseKind) -> PurchaseModel:
    """The population assumed before there is data: the prior's centre, for customers of these ages."""
    r, alpha, a, b = (float(number) for number in np.exp(_centre(age, kind)))
    return PurchaseModel(kind, r, alpha, a, b)


def _centre(age: Numbers, kind: PurchaseKind) -> Numbers:
    # CDNOW's customers were watched for 39 weeks at most, half of them 33: `alpha` keeps that proportion.
    centre = np.log(np.array(_CENTRE[kind]))
    centre[1] += np.log(max(1e-3, float(np.median(age))) / 33.0)
    return np.asarray(centre)


def _purchase_likelihoods(
    parameters: Numbers, x: Numbers, last: Numbers, age: Numbers, kind: PurchaseKind
) -> tuple[Numbers, Numbers]:
    """The log-likelihood of each history, and its gradient by r, alpha, a, b (a row each)."""
    r, alpha, a, b = parameters
    more = 1.0 if kind == "mbg" else 0.0
    could_leave = (x > 0) | (kind == "mbg")
    chances = np.where(could_leave, b + x - 1.0 + more, 1.0)
    log_age, log_last = np.log(alpha + age), np.log(alpha + last)
    stayed = -(r + x) * log_age
    left = np.where(could_leave, np.log(a) - np.log(chances) - (r + x) * log_last, -np.inf)
    either = np.logaddexp(stayed, left)
    share_stayed, share_left = np.exp(stayed - either), np.exp(left - either)
    value = (
        gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        + gammaln(a + b) + gammaln(b + x + more) - gammaln(b) - gammaln(a + b + x + more)
        + either
    )  # fmt: skip
    whole, leaves = digamma(a + b) - digamma(a + b + x + more), share_left / chances
    by_r = digamma(r + x) - digamma(r) + np.log(alpha) - share_stayed * log_age - share_left * log_last
    by_alpha = r / alpha - (r + x) * (share_stayed / (alpha + age) + share_left / (alpha + last))
    by_a = whole + share_left / a
    by_b = whole + digamma(b + x + more) - digamma(b) - leaves
    return value, np.stack([by_r, by_alpha, by_a, by_b])


def _spend_likelihood(p: float, q: float, v: float, cells: Numbers, weights: Numbers) -> tuple[float, Numbers]:
    """The total log-likelihood, and its gradient by p, q, v."""
    x, mean, log_mean = cells.T
    whole, log_whole = p * x + q, np.log(v + x * mean)
    value = (
        gammaln(whole) - gammaln(p * x) - gammaln(q) + q * np.log(v) + (p * x - 1.0) * log_mean + p * x * np.log(x)
        - whole * log_whole
    )  # fmt: skip
    shared = digamma(whole)
    by_p = x * (shared - digamma(p * x) + log_mean + np.log(x) - log_whole)
    by_q = shared - digamma(q) + np.log(v) - log_whole
    by_v = q / v - whole / (v + x * mean)
    return float(weights @ value), np.array([weights @ by_p, weights @ by_q, weights @ by_v])
