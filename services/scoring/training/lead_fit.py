"""The fit of P(conversion): features of a table, their levels, interactions, and the most likely weights.

minimise  sum of log losses + sum (w - w0)^2 / (2 s2), by L-BFGS over tokens; w0 is the scorecard's weight or 0, s2
the variance that the prior leaves a token. s2 is chosen among a few by the loss on rows that the fit has not seen,
and so are interactions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from services.scoring.domain.lead.conversion import ConversionModel, Weight
from services.scoring.domain.lead.features import Bins, Feature, Levels, Pair, Value
from services.scoring.training.evaluation import losses

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]
Columns = Mapping[str, Sequence[Value]]

BINS: Final = 10
_FINE_BINS: Final = 40  # where there are rows enough for each
_ROWS_A_BIN: Final = 100
_COARSE_BINS: Final = 5
_COARSE_LEVELS: Final = 8
_MOST_LEVELS: Final = 1000
_INTERCEPT_VARIANCE: Final = 10.0
_VARIANCES: Final = (0.05, 0.3, 1.0)
DEFAULT_VARIANCE: Final = 0.3
_FINE_SHARE: Final = 0.3  # of a token's variance, for the part of it that only fine bins have
_PAIR_SHARE: Final = 0.3
_MOST_PAIRS: Final = 12
_ROWS_FOR_CHOICE: Final = 1000  # below it the default variance stays, and there are no pairs
_CHOICE_ROWS: Final = 20_000  # the choice of variance and pairs needs no more
_MANY_ROWS: Final = 5000  # from here on two folds are enough for it


@dataclass(frozen=True, slots=True)
class Design:
    """Tokens as places: each row has one place for each column; place 0 is what was never seen, and stays 0."""

    features: Mapping[str, Feature]
    pairs: tuple[Pair, ...]
    places: tuple[Mapping[str, int], ...]
    size: int
    shares: Numbers  # of the variance, for each place

    @property
    def names(self) -> list[str]:
        """The feature or pair of each column."""
        return [*self.features, *(f"{pair.first}×{pair.second}" for pair in self.pairs)]  # noqa: RUF001 - a times sign


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


def describe(columns: Columns, bins: int = BINS) -> dict[str, Feature]:
    """A feature for each column, in their order: bins at the quantiles of numbers, the levels of anything else."""
    return {name: _feature(values, bins) for name, values in columns.items()}


def _feature(values: Sequence[Value], bins: int) -> Feature:
    numbers = [value for value in values if isinstance(value, float)]
    if numbers and all(value is None or isinstance(value, float) for value in values):
        distinct = np.unique(np.array(numbers))
        if len(distinct) <= bins:
            return Bins(tuple(float(value) for value in distinct[1:]))
        edges = np.unique(np.quantile(np.array(numbers), np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
        return Bins(tuple(float(edge) for edge in edges if edge > distinct[0]))
    levels: dict[str, int] = {}
    for value in values:
        if value is not None:
            levels[str(value)] = levels.get(str(value), 0) + 1
    most = sorted(levels, key=lambda level: (-levels[level], level))[:_MOST_LEVELS]
    return Levels(frozenset(most))


def levels_of(feature: Feature, values: Sequence[Value]) -> list[str]:
    """The level of each value."""
    return [feature.level(value) for value in values]


class Table:
    """Columns as levels, once for each feature: what a design is made from. Levels are kept as codes."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.count = len(next(iter(columns.values()))) if columns else 0
        self._coded: dict[tuple[str, Feature], tuple[Places, list[str]]] = {}

    def coded(self, name: str, feature: Feature) -> tuple[Places, list[str]]:
        """The code of each row's level, and the level of each code."""
        known = self._coded.get((name, feature))
        if known is None:
            values = self._columns[name]
            if isinstance(feature, Bins):
                numbers = np.array([value if isinstance(value, float) else np.nan for value in values])
                codes = np.searchsorted(np.array(feature.edges), numbers, side="right") + 1
                codes[np.isnan(numbers)] = 0
                known = codes.astype(np.int64), ["missing", *(str(place) for place in range(len(feature.edges) + 1))]
            else:
                names: dict[str, int] = {}
                codes = np.array(
                    [names.setdefault(feature.level(value), len(names)) for value in values], dtype=np.int64
                )
                known = codes, list(names)
            self._coded[name, feature] = known
        return known

    def described(self, name: str) -> Feature:
        """The column's feature over all rows."""
        return _feature(self._columns[name], BINS)

    def value(self, name: str, row: int) -> Value:
        """One cell."""
        return self._columns[name][row]

    def of(self, which: Places) -> Columns:
        """The columns of these rows alone."""
        rows = which.tolist()
        return {name: [values[row] for row in rows] for name, values in self._columns.items()}

    def rows(self, design: Design, which: Places) -> Places:
        """The places of these rows."""
        found = np.zeros((len(which), len(design.places)), dtype=np.int64)
        for column, (name, feature) in enumerate(design.features.items()):
            found[:, column] = self._placed(plain(name), feature, design.places[column], which)
        for column, pair in enumerate(design.pairs, start=len(design.features)):
            found[:, column] = self._pair_placed(pair, design.places[column], which)
        return found

    def _placed(self, name: str, feature: Feature, places: Mapping[str, int], which: Places) -> Places:
        codes, levels = self.coded(name, feature)
        return np.array([places.get(level, 0) for level in levels], dtype=np.int64)[codes[which]]

    def _pair_placed(self, pair: Pair, places: Mapping[str, int], which: Places) -> Places:
        codes, levels = self.pair_coded(pair)
        return np.array([places.get(level, 0) for level in levels], dtype=np.int64)[codes[which]]

    def pair_coded(self, pair: Pair) -> tuple[Places, list[str]]:
        """The same for a pair: levels are `one|other`."""
        one, one_levels = self.coded(pair.first, pair.coarse[0])
        other, other_levels = self.coded(pair.second, pair.coarse[1])
        return one * len(other_levels) + other, [f"{a}|{b}" for a in one_levels for b in other_levels]


def plain(name: str) -> str:
    """The column behind a feature: its fine bins have a name of their own."""
    return name.removesuffix(_FINE)


_FINE: Final = " (fine)"


def make_design(table: Table, features: Mapping[str, Feature], pairs: Sequence[Pair], which: Places) -> Design:
    """Places for what these rows show; numbers get fine bins beside the coarse ones where there are rows enough."""
    every: dict[str, Feature] = dict(features)
    if len(which) >= _FINE_BINS * _ROWS_A_BIN:
        for name, feature in features.items():
            if isinstance(feature, Bins) and len(feature.edges) + 1 >= BINS - 1:
                finer = _feature([table.value(name, row) for row in which], _FINE_BINS)
                if finer != feature:
                    every[name + _FINE] = finer
    places: list[dict[str, int]] = []
    shares, size = [0.0], 1
    for name, feature in every.items():
        codes, levels = table.coded(plain(name), feature)
        size = _add(places, shares, codes[which], levels, size, _FINE_SHARE if name.endswith(_FINE) else 1.0)
    for pair in pairs:
        codes, levels = table.pair_coded(pair)
        size = _add(places, shares, codes[which], levels, size, _PAIR_SHARE)
    return Design(every, tuple(pairs), tuple(places), size, np.array(shares))


def _add(
    places: list[dict[str, int]], shares: list[float], codes: Places, levels: list[str], size: int, share: float
) -> int:
    seen = np.unique(codes)
    places.append({levels[code]: size + offset for offset, code in enumerate(seen)})
    shares.extend([share] * len(seen))
    return size + len(seen)


def fit_weights(
    rows: Places, outcome: Numbers, design: Design, variance: float, *, counted: Numbers | None = None,
    prior: Numbers | None = None, start: Numbers | None = None,
) -> LeadFit:  # fmt: skip
    """The MAP weights of these rows. `counted`: the weight of each row; `prior`: w0 for each place."""
    counted = np.ones(len(outcome)) if counted is None else counted
    centre = np.zeros(design.size) if prior is None else prior
    precision = np.concatenate(([1.0 / _INTERCEPT_VARIANCE], [1e9], 1.0 / (variance * design.shares[1:])))
    total = counted.sum()
    base = (counted @ outcome + 0.5) / (total + 1.0)
    w0 = np.concatenate(([0.0], centre))
    begin = np.concatenate(([np.log(base / (1 - base))], centre)) if start is None else start
    width = rows.shape[1]
    flat = rows.ravel()

    def cost(weights: Numbers) -> tuple[float, Numbers]:
        odds = weights[0] + weights[1:][rows].sum(axis=1)
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
    chance = expit(weights[0] + weights[1:][rows].sum(axis=1))
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
    coarse = {name: _coarse(table, name, which) for name in features}
    names = [name for name, feature in coarse.items() if feature is not None]
    found: list[tuple[float, Pair]] = []
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            one, other = coarse[first], coarse[second]
            assert one is not None
            assert other is not None
            pair = Pair(first, second, (one, other))
            codes, levels = table.pair_coded(pair)
            sums = np.bincount(codes[which], left, minlength=len(levels))
            weights = np.bincount(codes[which], curvature, minlength=len(levels))
            used = weights > 1.0
            cells = int(used.sum())
            gain = float((sums[used] ** 2 / weights[used]).sum()) - cells
            if gain > 3.0 * np.sqrt(2.0 * max(1, cells)):
                found.append((gain, pair))
    found.sort(key=lambda each: (-each[0], each[1].first, each[1].second))
    return [pair for _, pair in found[:_MOST_PAIRS]]


def _coarse(table: Table, name: str, which: Places) -> Feature | None:
    """Fewer levels of a column, for pairs; None where it has but one."""
    feature = _feature([table.value(name, row) for row in which], _COARSE_BINS)
    if isinstance(feature, Bins):
        return feature if feature.edges else None
    codes, levels = table.coded(name, feature)
    counts = np.bincount(codes[which], minlength=len(levels))
    if (counts > 0).sum() < 2 or (counts > 0).sum() > 4 * _COARSE_LEVELS:  # noqa: PLR2004 - one level is none
        return None
    return feature
