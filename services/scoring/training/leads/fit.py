"""The fit of P(conversion): the most likely weights, how far each may move, and which interactions help.

minimise  sum of log losses + sum (w - w0)^2 / (2 s2), by L-BFGS over tokens; w0 is the scorecard's weight or 0, s2
the variance that the prior leaves the tokens of a column. Each column's s2 is learnt from its own weights (empirical
Bayes by the evidence, MacKay 1992): noise shrinks to nothing. Interactions count only where they lower the
loss on rows that the fit has not seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit

from services.scoring.domain.lead.features import Feature, Pair
from services.scoring.training.evaluation import losses
from services.scoring.training.leads.design import Design, Numbers, Places, Table, coarse, make_design

_INTERCEPT_VARIANCE: Final = 10.0
DEFAULT_VARIANCE: Final = 0.3
_ROUGH: Final = 25  # steps of a fit that only estimates variances
_ROUNDS: Final = 4  # of learning the variances
_BELIEVED: Final = 2.0  # tokens: the weight of the default against what a column's own weights say of their variance
_LEAST_VARIANCE: Final = 1e-4
_MOST_PAIRS: Final = 24
_ROWS_FOR_CHOICE: Final = 1000  # below it there are no pairs
_CHOICE_ROWS: Final = 20_000  # variances and the choice of pairs need no more
_RANKED_ROWS: Final = 10_000  # nor their ranking
_GAINED: Final = 1.0  # standard errors above what chance explains, for a pair to be tried
_TRIED: Final = 0.7  # share of the rows to fit; the rest judges


@dataclass(frozen=True, slots=True)
class LeadFit:
    """A fitted model. All numbers are indexed by place, 0 for the unseen; `prior`: the variances it was given."""

    design: Design
    weights: Numbers
    variances: Numbers
    intercept: float
    prior: Numbers
    intercept_variance: float

    def log_odds(self, rows: Places) -> Numbers:
        """The log-odds of each row of places."""
        return np.asarray(self.intercept + self.weights[rows].sum(axis=1))


def fit_weights(
    rows: Places, outcome: Numbers, design: Design, variance: Numbers, *, counted: Numbers | None = None,
    prior: Numbers | None = None, start: LeadFit | None = None, beside: Numbers | None = None, steps: int = 200,
) -> LeadFit:  # fmt: skip
    """The MAP weights of these rows. `variance` of the prior, and `prior`: w0, for each place.

    `counted`: the weight of each row; `beside`: log-odds that each row already has, to which the fit adds. `start`: an
    earlier fit of the same design to begin from; after so many `steps` it is good enough.
    """
    given = np.zeros(len(outcome)) if beside is None else beside
    counted = np.ones(len(outcome)) if counted is None else counted
    centre = np.zeros(design.size) if prior is None else prior
    precision = np.concatenate(([1.0 / _INTERCEPT_VARIANCE], [1e9], 1.0 / variance[1:]))
    total = counted.sum()
    base = (counted @ outcome + 0.5) / (total + 1.0)
    w0 = np.concatenate(([0.0], centre))
    level = 0.0 if beside is not None else np.log(base / (1 - base))
    begin = np.concatenate(([level], centre) if start is None else ([start.intercept], start.weights))
    tokens = _sparse(rows, design.size)
    turned = tokens.T

    def cost(weights: Numbers) -> tuple[float, Numbers]:
        odds = given + weights[0] + tokens @ weights[1:]
        chance = expit(odds)
        off = weights - w0
        value = float(counted @ (np.logaddexp(0.0, odds) - outcome * odds) + 0.5 * precision @ off**2)
        error = counted * (chance - outcome)
        gradient = np.concatenate(([error.sum()], turned @ error))
        return value, gradient + precision * off

    # Scaled by the posterior, the problem is well conditioned and takes a third of the steps.
    curvature = counted * base * (1 - base)
    scale = 1.0 / np.sqrt(np.concatenate(([curvature.sum()], turned @ curvature)) + precision)

    def scaled(z: Numbers) -> tuple[float, Numbers]:
        value, gradient = cost(z * scale)
        return value, gradient * scale

    found = minimize(scaled, begin / scale, jac=True, method="L-BFGS-B", options={"maxiter": steps, "ftol": 1e-9})
    weights = found.x * scale
    weights[1] = 0.0
    chance = expit(given + weights[0] + tokens @ weights[1:])
    curvature = counted * chance * (1 - chance)
    variances = 1.0 / (np.concatenate(([curvature.sum()], turned @ curvature)) + precision)
    return LeadFit(design, weights[1:], variances[1:], float(weights[0]), variance, float(variances[0]))


def _sparse(rows: Places, size: int) -> csr_array:
    """The tokens of each row as a sparse matrix of ones."""
    count, width = rows.shape
    ends = np.arange(0, count * width + 1, width, dtype=np.int32)
    return csr_array((np.ones(count * width), rows.ravel().astype(np.int32), ends), shape=(count, size))


def fit_variances(
    rows: Places, outcome: Numbers, design: Design, *, counted: Numbers | None = None, beside: Numbers | None = None
) -> LeadFit:
    """The same, with the variance of each column learnt from its own weights."""
    default = DEFAULT_VARIANCE * design.shares
    step = -(-len(rows) // _CHOICE_ROWS)

    def of_some(variance: Numbers, start: LeadFit | None) -> LeadFit:
        these = None if counted is None else counted[::step]
        given = None if beside is None else beside[::step]
        return fit_weights(
            rows[::step], outcome[::step], design, variance, counted=these, start=start, beside=given, steps=_ROUGH
        )

    fitted = of_some(default, None)
    count = np.bincount(design.columns)
    for _ in range(_ROUNDS):
        kept = np.maximum(0.0, 1.0 - fitted.variances / np.maximum(fitted.prior, _LEAST_VARIANCE))
        told = np.bincount(design.columns[1:], kept[1:], minlength=len(count))
        squares = np.bincount(design.columns[1:], fitted.weights[1:] ** 2, minlength=len(count))
        learnt = (squares[design.columns] + _BELIEVED * default) / (told[design.columns] + _BELIEVED)
        fitted = of_some(np.maximum(learnt, _LEAST_VARIANCE), fitted)
    return fit_weights(rows, outcome, design, fitted.prior, counted=counted, start=fitted, beside=beside)


def fit_leads(table: Table, outcome: Numbers, which: Places, *, counted: Numbers | None = None) -> LeadFit:
    """The whole fit on these rows: levels, the prior's variances, interactions where they help, weights."""
    features = table.described(which)
    pairs = list[Pair]()
    if len(which) >= _ROWS_FOR_CHOICE and 0 < outcome[which].sum() < len(which):
        step = -(-len(which) // _CHOICE_ROWS)
        pairs = _choice(table, outcome, which[::step], features)
    design = make_design(table, features, pairs, which)
    return fit_variances(table.rows(design, which), outcome[which], design, counted=counted)


def _choice(table: Table, outcome: Numbers, which: Places, features: Mapping[str, Feature]) -> list[Pair]:
    """The pairs of features that lower the loss on rows that the fit has not seen; none when they do not."""
    judging = np.random.default_rng(len(which)).random(len(which)) >= _TRIED
    inside, outside = which[~judging], which[judging]
    plain = make_design(table, features, (), inside)
    rows = table.rows(plain, inside)
    main = fit_variances(rows, outcome[inside], plain)
    pairs = interactions(table, features, main, rows, outcome[inside], inside)
    best, least = list[Pair](), _loss(main, table, outcome, outside)
    for most in (len(pairs), len(pairs) // 3):
        if most:
            design = make_design(table, features, pairs[:most], inside)
            loss = _loss(fit_variances(table.rows(design, inside), outcome[inside], design), table, outcome, outside)
            if loss < least:
                best, least = pairs[:most], loss
    return best


def _loss(fitted: LeadFit, table: Table, outcome: Numbers, which: Places) -> float:
    return float(losses(expit(fitted.log_odds(table.rows(fitted.design, which))), outcome[which]).sum())


def interactions(
    table: Table, features: Mapping[str, Feature], main: LeadFit, rows: Places, outcome: Numbers, which: Places
) -> list[Pair]:
    """The pairs that explain most of what the main effects leave, by the score test of their cells."""
    step = -(-len(which) // _RANKED_ROWS)
    which, rows, outcome = which[::step], rows[::step], outcome[::step]
    chance = expit(main.log_odds(rows))
    left, curvature = outcome - chance, chance * (1 - chance)
    levels = {name: coarse(table, name, which) for name in features}
    coded = {
        name: (feature, codes[which], len(each))
        for name, feature in levels.items()
        if feature is not None
        for codes, each in (table.coded(name, feature),)
    }
    found: list[tuple[float, Pair]] = []
    for (first, (one, codes, _)), (second, (other, more, width)) in combinations(coded.items(), 2):
        cells_of = codes * width + more
        sums, weights = np.bincount(cells_of, left), np.bincount(cells_of, curvature)
        used = weights > 1.0
        cells = int(used.sum())
        gain = float((sums[used] ** 2 / weights[used]).sum()) - cells
        if gain > _GAINED * np.sqrt(2.0 * max(1, cells)):
            found.append((gain, Pair(first, second, (one, other))))
    found.sort(key=lambda each: (-each[0], each[1].first, each[1].second))
    return [pair for _, pair in found[:_MOST_PAIRS]]
