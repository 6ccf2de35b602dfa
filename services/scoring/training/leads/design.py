"""A table of leads as levels, and the tokens that a fit weighs: the layer between columns and numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.scoring.domain.lead.features import MISSING, Bins, Feature, Levels, Pair, Value

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]
Columns = Mapping[str, Sequence[Value]]

BINS: Final = 10
_MOST_BINS: Final = 40
_ROWS_A_BIN: Final = 50  # where there are more than ten
_COARSE_BINS: Final = 8
_FEWEST_BINS: Final = 4
_ROWS_A_COARSE_BIN: Final = 500
_COARSE_LEVELS: Final = 8
_MOST_LEVELS: Final = 1000
_PAIR_SHARE: Final = 0.3  # of a token's variance


@dataclass(frozen=True, slots=True)
class Design:
    """Tokens as places: each row has one place per column; place 0 is what was never seen, and stays 0."""

    features: Mapping[str, Feature]
    pairs: tuple[Pair, ...]
    places: tuple[Mapping[str, int], ...]
    size: int
    shares: Numbers  # of the variance, for each place
    columns: Places  # the column of each place; place 0 lies beyond all columns
    chains: tuple[Places, ...]  # the places of a number's bins, in order

    @property
    def names(self) -> list[str]:
        """The feature or pair of each column."""
        return [*self.features, *(pair.name for pair in self.pairs)]


def describe(columns: Columns) -> dict[str, Feature]:
    """A feature for each column, in order: quantile bins for numbers, levels for anything else."""
    table = Table(columns)
    return table.described(np.arange(table.count))


def _bins(numbers: Numbers, bins: int) -> Bins:
    """Bins of as many rows each. A value that alone has so many has a bin of its own, and the others share the rest."""
    distinct, counts = np.unique(numbers, return_counts=True)
    if len(distinct) <= bins:
        return Bins(tuple(float(value) for value in distinct[1:]))
    heavy = counts * bins > len(numbers)
    others = np.repeat(distinct[~heavy], counts[~heavy])
    left = bins - int(heavy.sum())
    if heavy.any():
        left = min(left, max(1, len(others) // _ROWS_A_BIN))
    cuts = np.quantile(others, np.linspace(0, 1, left + 1)[1:-1], method="higher")
    after = distinct[1:][heavy[:-1]]
    edges = np.unique(np.concatenate((cuts, distinct[heavy], after)))
    return Bins(tuple(float(edge) for edge in edges if edge > distinct[0]))


def _levels(values: Sequence[Value]) -> Levels:
    levels = Counter(str(value) for value in values if value is not None)
    most = sorted(levels, key=lambda level: (-levels[level], level))[:_MOST_LEVELS]
    return Levels(frozenset(most))


class Table:
    """Columns as levels, computed once per feature: what a design is made from. Levels are kept as codes."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.count = len(next(iter(columns.values()))) if columns else 0
        self._coded: dict[tuple[str, Feature], tuple[Places, list[str]]] = {}
        self._numbers: dict[str, Numbers] = {}
        self._words: dict[str, bool] = {}

    def numbers(self, name: str) -> Numbers:
        """A column as numbers, NaN where there is none."""
        if name not in self._numbers:
            values = [value if isinstance(value, float) else np.nan for value in self._columns[name]]
            self._numbers[name] = np.array(values, dtype=np.float64)
        return self._numbers[name]

    def feature(self, name: str, which: Places, bins: int = BINS) -> Feature:
        """The levels that these rows of a column show."""
        numbers = self.numbers(name)[which]
        known = numbers[~np.isnan(numbers)]
        if len(known) and not self._worded(name):
            return _bins(known, bins)
        column = self._columns[name]
        return _levels([column[row] for row in which.tolist()])

    def _worded(self, name: str) -> bool:
        if name not in self._words:
            self._words[name] = any(isinstance(value, str) for value in self._columns[name])
        return self._words[name]

    def described(self, which: Places) -> dict[str, Feature]:
        """A feature for each column, as these rows show it: in more bins the more rows there are."""
        bins = max(BINS, min(_MOST_BINS, len(which) // _ROWS_A_BIN))
        return {name: self.feature(name, which, bins) for name in self._columns}

    def coded(self, name: str, feature: Feature) -> tuple[Places, list[str]]:
        """The code of each row's level, and the level of each code."""
        known = self._coded.get((name, feature))
        if known is None:
            if isinstance(feature, Bins):
                numbers = self.numbers(name)
                codes = np.searchsorted(np.array(feature.edges), numbers, side="right") + 1
                codes[np.isnan(numbers)] = 0
                known = codes.astype(np.int64), ["missing", *(str(place) for place in range(len(feature.edges) + 1))]
            else:
                names: dict[str, int] = {}
                codes = np.array(
                    [names.setdefault(feature.level(value), len(names)) for value in self._columns[name]],
                    dtype=np.int64,
                )
                known = codes, list(names)
            self._coded[name, feature] = known
        return known

    def rows(self, design: Design, which: Places) -> Places:
        """The places of these rows."""
        found = np.zeros((len(which), len(design.places)), dtype=np.int64)
        for column, (name, feature) in enumerate(design.features.items()):
            found[:, column] = self._placed(name, feature, design.places[column], which)
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


def make_design(table: Table, features: Mapping[str, Feature], pairs: Sequence[Pair], which: Places) -> Design:
    """Places for what these rows show."""
    places: list[dict[str, int]] = []
    shares, size = [1.0], 1
    for name, feature in features.items():
        codes, levels = table.coded(name, feature)
        size = _add(places, shares, codes[which], levels, size, 1.0)
    for pair in pairs:
        codes, levels = table.pair_coded(pair)
        size = _add(places, shares, codes[which], levels, size, _PAIR_SHARE)
    columns = np.repeat([len(places), *range(len(places))], [1, *map(len, places)])
    chains = tuple(
        np.array([place for level, place in mine.items() if level != MISSING], dtype=np.int64)
        for feature, mine in zip(features.values(), places[: len(features)], strict=True)
        if isinstance(feature, Bins)
    )
    return Design(dict(features), tuple(pairs), tuple(places), size, np.array(shares), columns, chains)


def _add(
    places: list[dict[str, int]], shares: list[float], codes: Places, levels: list[str], size: int, share: float
) -> int:
    seen = np.unique(codes)
    places.append({levels[code]: size + offset for offset, code in enumerate(seen)})
    shares.extend([share] * len(seen))
    return size + len(seen)


def coarse(table: Table, name: str, which: Places) -> Feature | None:
    """Fewer levels of a column, for pairs; None when there is only one."""
    bins = min(_COARSE_BINS, max(_FEWEST_BINS, len(which) // _ROWS_A_COARSE_BIN))
    feature = table.feature(name, which, bins)
    if isinstance(feature, Bins):
        return feature if feature.edges else None
    codes, levels = table.coded(name, feature)
    counts = np.bincount(codes[which], minlength=len(levels))
    if (counts > 0).sum() < 2 or (counts > 0).sum() > 4 * _COARSE_LEVELS:  # noqa: PLR2004 - one level is none
        return None
    return feature
