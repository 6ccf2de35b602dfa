"""The fit of P(conversion): the most likely weights, and how far each may move.

minimise  sum of log losses + (w - w0)' R^-1 (w - w0) / (2 s2), by L-BFGS over tokens; w0 is the scorecard's weight or
0, s2 the variance that the prior leaves the tokens of a column, R how alike they are: neighbouring bins of a number
nearly the same, words not at all. Each column's s2 is learnt from its own weights, and from what is usual for all
columns of this table (empirical Bayes by the evidence, MacKay 1992): noise shrinks to nothing.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit

from services.scoring.training.leads.design import Design, Numbers, Places, Table
from services.scoring.training.leads.trees import Trees

_INTERCEPT_VARIANCE: Final = 10.0
DEFAULT_VARIANCE: Final = 0.3
_FAR: Final = 1.0  # from one end of a number to the other: there weights are alike by e^-1
_ROUGH: Final = 25  # steps of a fit that only estimates variances
_ROUGH_ROWS: Final = 20_000  # are enough for it
_ROUNDS: Final = 5  # of learning the variances
_BELIEVED: Final = 1.0  # tokens: the weight of what is usual against what a column's own weights say of their variance
_LEAST_VARIANCE: Final = 1e-4


@dataclass(frozen=True, slots=True)
class LeadFit:
    """A fitted model. All numbers are indexed by place, 0 for the unseen; `prior`: the variances it was given.

    `told`: the share of each weight that the rows told, and not the prior; `squares`: of the weights, those of bins
    less what their neighbours explain. `trees`: what comes on top of the weights.
    """

    design: Design
    weights: Numbers
    variances: Numbers
    intercept: float
    prior: Numbers
    intercept_variance: float
    told: Numbers
    squares: Numbers
    trees: Trees | None = None

    def log_odds(self, rows: Places) -> Numbers:
        """The log-odds that the tokens of each row of places add up to."""
        return np.asarray(self.intercept + self.weights[rows].sum(axis=1))

    def of(self, table: Table, which: Places) -> Numbers:
        """The log-odds of these rows: their tokens, and the trees."""
        odds = self.log_odds(table.rows(self.design, which))
        return odds if self.trees is None else odds + self.trees.log_odds(table, which)


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
    precision = _precision(design, variance)
    own = precision.diagonal()
    total = counted.sum()
    base = (counted @ outcome + 0.5) / (total + 1.0)
    w0 = np.concatenate(([0.0], centre))
    level = np.log(base / (1 - base)) - (counted @ given) / max(total, 1.0)
    begin = np.concatenate(([level], centre) if start is None else ([start.intercept], start.weights))
    tokens = _sparse(rows, design.size)
    turned = tokens.T

    def cost(weights: Numbers) -> tuple[float, Numbers]:
        odds = given + weights[0] + tokens @ weights[1:]
        chance = expit(odds)
        off = weights - w0
        pulled = precision @ off
        value = float(counted @ (np.logaddexp(0.0, odds) - outcome * odds) + 0.5 * pulled @ off)
        error = counted * (chance - outcome)
        gradient = np.concatenate(([error.sum()], turned @ error))
        return value, gradient + pulled

    # Scaled by the posterior, the problem is well conditioned and takes a third of the steps.
    curvature = counted * base * (1 - base)
    scale = 1.0 / np.sqrt(np.concatenate(([curvature.sum()], turned @ curvature)) + own)

    def scaled(z: Numbers) -> tuple[float, Numbers]:
        value, gradient = cost(z * scale)
        return value, gradient * scale

    found = minimize(scaled, begin / scale, jac=True, method="L-BFGS-B", options={"maxiter": steps, "ftol": 1e-9})
    weights = found.x * scale
    weights[1] = 0.0
    chance = expit(given + weights[0] + tokens @ weights[1:])
    curvature = counted * chance * (1 - chance)
    sure = np.concatenate(([curvature.sum()], turned @ curvature))
    variances = 1.0 / (sure + own)
    told = 1.0 - variances * own
    for chain in design.chains:
        bins = chain + 1
        alike = precision[bins][:, bins].toarray()
        inverse = np.linalg.inv(alike + np.diag(sure[bins]))
        variances[bins] = inverse.diagonal()
        told[bins] = 1.0 - (inverse * alike).sum(axis=1)
    squares = variance * (weights * (precision @ weights))[1:]
    return LeadFit(
        design, weights[1:], variances[1:], float(weights[0]), variance, float(variances[0]), told[1:], squares
    )


def _precision(design: Design, variance: Numbers) -> csr_array:
    """How much the prior holds the intercept and each place, and neighbouring bins together (Ornstein, Uhlenbeck)."""
    own = np.concatenate(([1.0 / _INTERCEPT_VARIANCE], [1e9], 1.0 / variance[1:]))
    places, links = [np.arange(len(own))], [np.zeros(0)]
    beside = [places[0]]
    for chain in design.chains:
        if len(chain) < 2:  # noqa: PLR2004 - there is no neighbour
            continue
        alike = np.exp(-_FAR / len(chain))
        each = 1.0 / (variance[chain[0]] * (1.0 - alike**2))
        own[chain + 1] = each * (1.0 + alike**2)
        own[chain[[0, -1]] + 1] = each
        places += [chain[:-1] + 1, chain[1:] + 1]
        beside += [chain[1:] + 1, chain[:-1] + 1]
        links += [np.full(2 * len(chain) - 2, -alike * each)]
    values = np.concatenate((own, *links))
    return csr_array((values, (np.concatenate(places), np.concatenate(beside))), shape=(len(own), len(own)))


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
    step = -(-len(rows) // _ROUGH_ROWS)

    def of_some(variance: Numbers, start: LeadFit | None) -> LeadFit:
        these = None if counted is None else counted[::step]
        given = None if beside is None else beside[::step]
        return fit_weights(
            rows[::step], outcome[::step], design, variance, counted=these, start=start, beside=given, steps=_ROUGH
        )

    fitted = of_some(default, None)
    count = np.bincount(design.columns)
    for _ in range(_ROUNDS):
        told = np.bincount(design.columns[1:], np.maximum(0.0, fitted.told[1:]), minlength=len(count))
        squares = np.bincount(design.columns[1:], fitted.squares[1:], minlength=len(count))
        usual = ((fitted.squares / design.shares)[1:].sum() + _BELIEVED * DEFAULT_VARIANCE) / (told.sum() + _BELIEVED)
        learnt = (squares[design.columns] + _BELIEVED * usual * design.shares) / (told[design.columns] + _BELIEVED)
        fitted = of_some(np.maximum(learnt, _LEAST_VARIANCE), fitted)
    return fit_weights(rows, outcome, design, fitted.prior, counted=counted, start=fitted, beside=beside)
