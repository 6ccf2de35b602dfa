"""How good predicted probabilities are: ranking, loss, calibration, gains, and whether one model beats another."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from services.scoring.domain.intervals import wilson

Numbers = NDArray[np.float64]

_CLIP: Final = 1e-6  # in the log loss alone
_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Leads with similar predictions: how many, what was predicted, and what happened on average.

    `low` to `high` is the 95 % interval of what happened (Wilson).
    """

    count: int
    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Predictions scored against outcomes. `ece`: mean gap between predicted and observed over bins of equal count."""

    rows: int
    base_rate: float
    auc: float
    log_loss: float
    brier: float
    ece: float
    calibration: tuple[Bin, ...]


def evaluate(predicted: Numbers, outcome: Numbers) -> Scores:
    """All scores; `outcome` holds 0 and 1. AUC is 0.5 when there is only one kind of outcome."""
    bins = calibration(predicted, outcome)
    count = len(outcome)
    return Scores(
        rows=count,
        base_rate=float(outcome.mean()) if count else math.nan,
        auc=auc(predicted, outcome),
        log_loss=float(losses(predicted, outcome).mean()),
        brier=float(((predicted - outcome) ** 2).mean()),
        ece=sum(each.count * abs(each.predicted - each.observed) for each in bins) / max(1, count),
        calibration=bins,
    )


def auc(predicted: Numbers, outcome: Numbers) -> float:
    """The chance that a converted lead ranks above one that is not; ties count half (Mann and Whitney)."""
    positive = int(outcome.sum())
    negative = len(outcome) - positive
    if not positive or not negative:
        return 0.5
    ranks = rankdata(predicted)
    return float((ranks[outcome == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


def losses(predicted: Numbers, outcome: Numbers) -> Numbers:
    """The log loss of each row, in nats."""
    chance = np.clip(predicted, _CLIP, 1 - _CLIP)
    return np.asarray(-np.where(outcome == 1, np.log(chance), np.log1p(-chance)))


def calibration(predicted: Numbers, outcome: Numbers, bins: int = _BINS) -> tuple[Bin, ...]:
    """Bins of equal count, ordered by prediction; equal predictions stay together."""
    if not len(outcome):
        return ()
    order = np.argsort(predicted, kind="stable")
    values = predicted[order]
    ends = [round(len(values) * (place + 1) / bins) for place in range(bins)]
    found, begin = [], 0
    for end in ends:
        # A tie across a border stays in the bin where it begins.
        until = int(np.searchsorted(values, values[end - 1], side="right")) if end > begin else begin
        if until <= begin:
            continue
        rows = order[begin:until]
        seen = float(outcome[rows].mean())
        low, high = wilson(seen, len(rows))
        found.append(Bin(len(rows), float(predicted[rows].mean()), seen, low, high))
        begin = until
    return tuple(found)


def gains(predicted: Numbers, outcome: Numbers, steps: int = 10) -> list[tuple[float, float]]:
    """Share of leads worked, best first → share of conversions among them."""
    order = np.argsort(-predicted, kind="stable")
    total = max(1.0, float(outcome.sum()))
    found = np.concatenate(([0.0], np.cumsum(outcome[order])))
    return [(step / steps, float(found[round(len(order) * step / steps)]) / total) for step in range(steps + 1)]


def beats(candidate: Numbers, current: Numbers, outcome: Numbers) -> bool:
    """Whether the candidate's log loss is lower by more than the standard error of the paired differences.

    Both predict rows that neither was fitted on.
    """
    return better(losses(candidate, outcome), losses(current, outcome))


def better(candidate: Numbers, current: Numbers) -> bool:
    """The same, from the row-by-row losses of both."""
    gained = current - candidate
    if len(gained) < 2:  # noqa: PLR2004 - one difference has no spread
        return False
    return bool(gained.mean() > gained.std(ddof=1) / math.sqrt(len(gained)))
