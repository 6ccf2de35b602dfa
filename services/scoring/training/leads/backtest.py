"""What P(conversion) would have predicted for past leads, each scored with what was known before it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.special import expit

from services.scoring.domain.lead.features import Value
from services.scoring.training.evaluation import Scores, auc, evaluate, gains, losses
from services.scoring.training.leads.choice import fit_leads
from services.scoring.training.leads.design import Numbers, Places, Table
from services.scoring.training.leads.fit import LeadFit, fit_weights
from services.scoring.training.leads.leakage import Leak, leaks

Say = Callable[[float], None]
"""Called with the share that is done."""

_FOLDS: Final = 5
# Where in the file (by share) the model is refitted; features and interactions are chosen at the first and a few
# more.
_REFITS: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_CHOICES: Final = frozenset({0.02, 0.1, 0.3, 0.6})
_FEWEST: Final = 30  # outcomes; with fewer, only the level is learnt
_MOST_ROWS: Final = 50_000  # of a fit: the newest
# How far the overall level may drift with each outcome: variance of the log-odds. The best so far is used.
_DRIFTS: Final = (0.0, 1e-5, 1e-4, 1e-3)
_FORGET: Final = 0.998  # of the experts' losses, for each outcome
_FIRST_MEAN: Final = -1.5  # before any outcome: about 18 %, with little confidence
_FIRST_VARIANCE: Final = 4.0
_REFITTED_VARIANCE: Final = 0.05
_NEWER: Final = 0.25  # half-life of the second fit's rows, as a share of those there are


@dataclass(frozen=True, slots=True)
class FeatureShare:
    """What a column contributes: how far it moves the log-odds on average, and how well it ranks alone."""

    column: str
    log_odds: float
    auc: float


@dataclass(frozen=True, slots=True)
class LeadsBacktest:
    """All results. `compared`: AUC and log loss of simpler methods; None where a method only ranks."""

    scores: Scores
    in_time: bool
    positives: int
    features: tuple[FeatureShare, ...]
    leakage: tuple[Leak, ...]
    compared: Mapping[str, tuple[float, float | None]]
    gains: tuple[tuple[float, float], ...]


def backtest_leads(
    columns: Mapping[str, Sequence[Value]],
    outcome: Sequence[int],
    times: Sequence[float] | None,
    *,
    left_out: Mapping[str, str] | None = None,
    afterwards: Mapping[str, str] | None = None,
    scorecard: Sequence[float] | None = None,
    matures_s: float = 0.0,
    say: Say = lambda _done: None,
) -> LeadsBacktest:
    """Scores of the model on these leads.

    `times` (seconds since 1970): each lead is scored with what was known then, and its outcome is known `matures_s`
    later; None: by cross-validation. `scorecard`: its log-odds for each lead. `left_out`: columns that are not
    features, and why; `afterwards`: those known to lie later than the lead, and how.
    """
    order = np.arange(len(outcome)) if times is None else np.argsort(np.array(times), kind="stable")
    columns = {name: [values[row] for row in order] for name, values in columns.items()}
    target = np.array(outcome, dtype=np.float64)[order]
    table = Table(columns)
    if times is None:
        predicted, base, last = _crossed(table, target, say)
    else:
        predicted, base, last = _in_time(table, target, np.array(times)[order], matures_s, say)
    alone = {name: _alone(table, name, target) for name in columns}
    compared: dict[str, tuple[float, float | None]] = {
        "base rate": (auc(base, target), float(losses(base, target).mean()))
    }
    if scorecard is not None:
        odds = np.array(scorecard)[order]
        # Its level is fitted to the data: points say who is better, not how many buy.
        level = _level(odds, target)
        chance = expit(odds + level)
        compared["scorecard alone"] = (auc(chance, target), float(losses(chance, target).mean()))
    if times is not None:
        compared["newest first"] = (auc(np.array(times)[order], target), None)
    return LeadsBacktest(
        scores=evaluate(predicted, target),
        in_time=times is not None,
        positives=int(target.sum()),
        features=_shares(table, last, alone),
        leakage=tuple(leaks(columns, target, alone, left_out or {}, afterwards or {})),
        compared=compared,
        gains=tuple(gains(predicted, target)),
    )


def _crossed(table: Table, outcome: Numbers, say: Say) -> tuple[Numbers, Numbers, LeadFit]:
    """Score each row by a model of the others, in folds drawn with a fixed seed."""
    fold = np.random.default_rng(1).permutation(len(outcome)) % _FOLDS
    predicted, base = np.empty(len(outcome)), np.empty(len(outcome))
    for out in range(_FOLDS):
        inside, outside = np.flatnonzero(fold != out), np.flatnonzero(fold == out)
        fitted = fit_leads(table, outcome, inside)
        predicted[outside] = expit(fitted.of(table, outside))
        base[outside] = (outcome[inside].sum() + 0.5) / (len(inside) + 1)
        say((out + 1) / _FOLDS)
    return predicted, base, fitted


def _in_time(
    table: Table, outcome: Numbers, times: Numbers, matures_s: float, say: Say
) -> tuple[Numbers, Numbers, LeadFit]:
    """Score each row with what was known before it: models of earlier rows, and a level that follows the outcomes."""
    count = len(outcome)
    # How many outcomes are known when each row comes: those of earlier leads that have matured.
    known = np.searchsorted(times + matures_s, times, side="left")
    level = _Level(mean=_FIRST_MEAN, variance=_FIRST_VARIANCE)
    predicted, base = np.empty(count), np.empty(count)
    fits: list[LeadFit] = []
    odds = np.zeros((1, 0))
    refits = [int(share * count) for share in _REFITS]
    choices = {int(share * count) for share in _CHOICES}
    told, positives, next_refit = 0, 0.0, 0
    begin = 0
    for row in range(count):
        if next_refit < len(refits) and row >= refits[next_refit] and known[row] >= _FEWEST and positives >= 3:  # noqa: PLR2004
            while next_refit < len(refits) and row >= refits[next_refit]:
                chosen = refits[next_refit] in choices or not fits
                next_refit += 1
            fits = _fitted(table, outcome, int(known[row]), fits if not chosen else [])
            begin = row
            until = refits[next_refit] if next_refit < len(refits) else count
            # Rows whose outcome comes in after this are scored by the new models, from here to the next.
            first = min(begin, int(told))
            window = np.arange(first, max(until, begin + 1))
            odds = np.stack([each.of(table, window) for each in fits])
            begin = first
            level = level.beside_new(len(fits))
            say(row / count)
        while told < known[row]:
            level.learn(odds[:, told - begin] if fits else _NO_ODDS, outcome[told])
            positives += outcome[told]
            told += 1
        chance = level.probability(odds[:, row - begin] if fits else _NO_ODDS)
        predicted[row] = chance
        base[row] = (positives + 0.5) / (told + 1)
    if not fits:
        rows = np.arange(count)
        fits = [fit_leads(table, outcome, rows)]
    return predicted, base, fits[0]


_NO_ODDS: Final = np.zeros(1)


def _fitted(table: Table, outcome: Numbers, known: int, before: list[LeadFit]) -> list[LeadFit]:
    """Two fits of the newest known rows: one with equal weights, one in which newer rows count more."""
    which = np.arange(max(0, known - _MOST_ROWS), known)
    even = _refitted(table, outcome, which, before[0], None) if before else fit_leads(table, outcome, which)
    counted = 2.0 ** (-(len(which) - 1 - np.arange(len(which))) / max(1.0, _NEWER * len(which)))
    return [even, _refitted(table, outcome, which, even, counted)]


def _refitted(table: Table, outcome: Numbers, which: Places, before: LeadFit, counted: Numbers | None) -> LeadFit:
    """The weights anew for these rows, beside the same trees."""
    design, trees = before.design, before.trees
    beside = None if trees is None else trees.log_odds(table, which)
    rows = table.rows(design, which)
    fitted = fit_weights(rows, outcome[which], design, before.prior, counted=counted, beside=beside)
    return replace(fitted, trees=trees)


class _Level:
    """How far all leads convert above or below what the models say, tracked outcome by outcome.

    Each model and each speed of drift has its own filter; the one with the lowest recent loss is used.
    """

    def __init__(self, mean: float, variance: float, models: int = 1, loss: Numbers | None = None) -> None:
        self._drift = np.tile(np.array(_DRIFTS), (models, 1))
        self._mean = np.full((models, len(_DRIFTS)), mean)
        self._variance = np.full((models, len(_DRIFTS)), variance)
        self._loss = np.zeros((models, len(_DRIFTS))) if loss is None else loss

    def beside_new(self, models: int) -> "_Level":
        """The level beside new models: they know the level of their own rows, so it starts near 0."""
        loss = self._loss if len(self._loss) == models else None
        return _Level(0.0, _REFITTED_VARIANCE, models, loss)

    def probability(self, odds: Numbers) -> float:
        place = int(np.argmin(self._loss))
        model, drift = divmod(place, self._mean.shape[1])
        mean, variance = odds[model] + self._mean[model, drift], self._variance[model, drift]
        return float(expit(mean / np.sqrt(1.0 + np.pi * variance / 8.0)))

    def learn(self, odds: Numbers, converted: float) -> None:
        self._variance += self._drift
        mean = odds[:, None] + self._mean
        chance = expit(mean / np.sqrt(1.0 + np.pi * self._variance / 8.0))
        self._loss = _FORGET * self._loss - np.log(np.where(converted, chance, 1.0 - chance))
        curvature = chance * (1.0 - chance)
        gain = 1.0 / (1.0 + curvature * self._variance)
        self._mean += self._variance * (converted - chance) * gain
        self._variance -= self._variance**2 * curvature * gain


def _level(odds: Numbers, outcome: Numbers) -> float:
    """What to add to the log-odds so that as many convert as did."""
    level = 0.0
    for _ in range(50):
        chance = expit(odds + level)
        curvature = float((chance * (1 - chance)).sum())
        step = float((outcome - chance).sum()) / max(curvature, 1e-9)
        level += float(np.clip(step, -2.0, 2.0))
        if abs(step) < 1e-9:  # noqa: PLR2004
            break
    return level


def _alone(table: Table, name: str, outcome: Numbers) -> float:
    """How well one column ranks alone, out of sample: each half by the rates of the other half's levels."""
    codes, levels = table.coded(name, table.feature(name, np.arange(table.count)))
    half = np.random.default_rng(2).permutation(len(outcome)) % 2  # a file may hold one outcome in every other row
    rates = np.empty(len(outcome))
    g = (outcome.sum() + 0.5) / (len(outcome) + 1)
    for out in (0, 1):
        seen = half != out
        count = np.bincount(codes[seen], minlength=len(levels))
        won = np.bincount(codes[seen], outcome[seen], minlength=len(levels))
        rates[~seen] = ((won + 5 * g) / (count + 5))[codes[~seen]]
    return auc(rates, outcome)


def _shares(table: Table, fitted: LeadFit, alone: Mapping[str, float]) -> tuple[FeatureShare, ...]:
    """How far each column moves the log-odds; what several say together counts in equal parts for each of them."""
    which = np.arange(table.count)
    rows = table.rows(fitted.design, which)
    parts = fitted.weights[rows]
    moved = np.abs(parts - parts.mean(axis=0)).mean(axis=0)
    total = dict.fromkeys(alone, 0.0)
    for column, name in enumerate(fitted.design.names):
        if column < len(fitted.design.features):
            total[name] += float(moved[column])
        else:
            pair = fitted.design.pairs[column - len(fitted.design.features)]
            total[pair.first] += float(moved[column]) / 2
            total[pair.second] += float(moved[column]) / 2
    if fitted.trees is not None:
        for columns, moves in fitted.trees.moved(table, which):
            for name in columns:
                total[name] += moves / len(columns)
    shares = [FeatureShare(name, moves, alone[name]) for name, moves in total.items()]
    return tuple(sorted(shares, key=lambda share: (-share.log_odds, share.column)))
