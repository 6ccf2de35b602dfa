"""The fit of P(conversion): the most likely weights, how far each may move, and which interactions help.

minimise  sum of log losses + sum (w - w0)^2 / (2 s2), by L-BFGS over tokens; w0 is the scorecard's weight or 0, s2
the variance that the prior leaves a token. s2 is chosen among a few by the loss on rows that the fit has not seen,
and so are interactions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from services.scoring.domain.lead.conversion import ConversionModel, Weight
from services.scoring.domain.lead.features import Feature, Pair
from services.scoring.training.design import Design, Numbers, Places, Table, coarse, describe, make_design
from services.scoring.training.evaluation import losses

_INTERCEPT_VARIANCE: Final = 10.0
_VARIANCES: Final = (0.05, 0.3, 1.0)
DEFAULT_VARIANCE: Final = 0.3
_MOST_PAIRS: Final = 12
_ROWS_FOR_CHOICE: Final = 1000  # below it the default variance stays, and there are no pairs
_CHOICE_ROWS: Final = 20_000  # the choice of variance and pairs needs no more
_MANY_ROWS: Final = 5000  # from here on two folds are enough for it


@dataclass(frozen=True, slots=True)
class LeadFit:
    """A fitted model. `weights` and `variances` stand by place, place 0 for the unseen; `intercept` apart."""

    design: Design
    weights: Numbers
    variances: Numbers
    intercept: Weight
    prior_variance: float

    def log_odds(self, rows: Places) -> Numbers:
        """Of each row of places."""
        return np.asarray(self.intercept.mean + self.weights[rows].sum(axis=1))

    def model(self) -> ConversionModel:
        """The same for one lead at a time, in plain Python, without numpy."""
        named = {}
        for name, places in zip(self.design.names, self.design.places, strict=True):
            for level, place in places.items():
                named[f"{name}={level}"] = Weight(float(self.weights[place]), float(self.variances[place]))
        return ConversionModel(self.intercept, named, self.prior_variance)


def fit_weights(
    rows: Places, outcome: Numbers, design: Design, variance: float, *, counted: Numbers | None = None,
    prior: Numbers | None = None, start: Numbers | None = None, beside: Numbers | None = None,
) -> LeadFit:  # fmt: skip
    """The MAP weights of these rows. `counted`: the weight of each row; `prior`: w0 for each place.

    `beside`: log-odds that each row has already; what is fitted is added to them.
    """
    given = np.zeros(len(outcome)) if beside is None else beside
    counted = np.ones(len(outcome)) if counted is None else counted
    centre = np.zeros(design.size) if prior is None else prior
    precision = np.concatenate(([1.0 / _INTERCEPT_VARIANCE], [1e9], 1.0 / (variance * design.shares[1:])))
    total = counted.sum()
    base = (counted @ outcome + 0.5) / (total + 1.0)
    w0 = np.concatenate(([0.0], centre))
    level = 0.0 if beside is not None else np.log(base / (1 - base))
    begin = np.concatenate(([level], centre)) if start is None else start
    width = rows.shape[1]
    flat = rows.ravel()

    def cost(weights: Numbers) -> tuple[float, Numbers]:
        odds = given + weights[0] + weights[1:][rows].sum(axis=1)
        chance = expit(odds)
        off = weights - w0
        value = float(counted @ (np.logaddexp(0.0, odds) - outcome * odds) + 0.5 * precision @ off**2)
        error = counted * (chance - outcome)
        gradient = np.empty_like(weights)
        gradient[0] = error.sum()
        gradient[1:] = np.bincount(flat, np.repeat(error, width), minlength=design.size)
        return value, gradient + precision * off

    # In units of the posterior's own scale the problem is round, and takes a third of the steps.
    curvature = counted * base * (1 - base)
    scale = np.ones(design.size + 1)
    scale[0] = curvature.sum()
    scale[1:] = np.bincount(flat, np.repeat(curvature, width), minlength=design.size)
    scale = 1.0 / np.sqrt(scale + precision)

    def scaled(z: Numbers) -> tuple[float, Numbers]:
        value, gradient = cost(z * scale)
        return value, gradient * scale

    found = minimize(scaled, begin / scale, jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-9})
    weights = found.x * scale
    weights[1] = 0.0
    chance = expit(given + weights[0] + weights[1:][rows].sum(axis=1))
    curvature = counted * chance * (1 - chance)
    seen = np.concatenate(([curvature.sum()], np.bincount(flat, np.repeat(curvature, width), minlength=design.size)))
    variances = 1.0 / (seen + precision)
    return LeadFit(design, weights[1:], variances[1:], Weight(float(weights[0]), float(variances[0])), variance)


def fit_leads(table: Table, outcome: Numbers, which: Places, *, counted: Numbers | None = None) -> LeadFit:
    """The whole fit on these rows: levels, the prior's variance, interactions where they help, weights."""
    features = describe(table.of(which))
    variance, pairs = DEFAULT_VARIANCE, list[Pair]()
    if len(which) >= _ROWS_FOR_CHOICE and 0 < outcome[which].sum() < len(which):
        step = -(-len(which) // _CHOICE_ROWS)
        variance, pairs = _choice(table, outcome, which[::step], features)
    design = make_design(table, features, pairs, which)
    return fit_weights(table.rows(design, which), outcome[which], design, variance, counted=counted)


def _choice(table: Table, outcome: Numbers, which: Places, features: Mapping[str, Feature]) -> tuple[float, list[Pair]]:
    """The prior's variance, and the pairs of features, with the least loss on rows that the fit has not seen."""
    target = outcome[which]
    plain_design = make_design(table, features, (), which)
    rows = table.rows(plain_design, which)
    variance, loss = _best_variance(rows, target, plain_design)
    main = fit_weights(rows, target, plain_design, variance)
    pairs = interactions(table, features, main, rows, target, which)
    if pairs:
        wider = make_design(table, features, pairs, which)
        wide_variance, wide_loss = _best_variance(table.rows(wider, which), target, wider)
        if wide_loss < loss:
            return wide_variance, pairs
    return variance, []


def _best_variance(rows: Places, outcome: Numbers, design: Design) -> tuple[float, float]:
    """The variance with the least loss on rows left out, and that loss."""
    folds = 2 if len(outcome) >= _MANY_ROWS else 3
    fold = np.arange(len(outcome)) % folds
    best = (DEFAULT_VARIANCE, np.inf)
    for variance in _VARIANCES:
        total = 0.0
        for out in range(folds):
            inside, outside = fold != out, fold == out
            of = fit_weights(rows[inside], outcome[inside], design, variance)
            total += float(losses(expit(of.log_odds(rows[outside])), outcome[outside]).sum())
        if total < best[1]:
            best = (variance, total)
    return best


def interactions(
    table: Table, features: Mapping[str, Feature], main: LeadFit, rows: Places, outcome: Numbers, which: Places
) -> list[Pair]:
    """The pairs that explain most of what the main effects leave, by the score test of their cells."""
    chance = expit(main.log_odds(rows))
    left, curvature = outcome - chance, chance * (1 - chance)
    levels = {name: coarse(table, name, which) for name in features}
    names = [name for name, feature in levels.items() if feature is not None]
    found: list[tuple[float, Pair]] = []
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            one, other = levels[first], levels[second]
            assert one is not None
            assert other is not None
            pair = Pair(first, second, (one, other))
            codes, cells_of = table.pair_coded(pair)
            sums = np.bincount(codes[which], left, minlength=len(cells_of))
            weights = np.bincount(codes[which], curvature, minlength=len(cells_of))
            used = weights > 1.0
            cells = int(used.sum())
            gain = float((sums[used] ** 2 / weights[used]).sum()) - cells
            if gain > 3.0 * np.sqrt(2.0 * max(1, cells)):
                found.append((gain, pair))
    found.sort(key=lambda each: (-each[0], each[1].first, each[1].second))
    return [pair for _, pair in found[:_MOST_PAIRS]]
