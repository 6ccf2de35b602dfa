"""What several columns say only together: small trees, grown one after the other on what the weights leave unexplained.

A tree asks up to five questions ("size 40 or more?", "source among bing, google?") and adds to the log-odds what the
answers together say: a token of as many columns. Each adds a tenth of what it finds (Friedman 2001, 2002), and so many
are grown as lower the loss on rows that were not fitted; none where none does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from services.scoring.domain.lead.features import Bins, Feature
from services.scoring.domain.lead.together import UNIT
from services.scoring.training.evaluation import losses
from services.scoring.training.leads.design import Numbers, Places, Table

Answers = NDArray[np.bool_]
LevelsOfRows = NDArray[np.uint8]

MOST_TREES: Final = 300
_PATIENCE: Final = 60  # trees that lower the loss no more, until no further ones are tried
DEPTH: Final = 5  # questions
_WIDTH: Final = 64  # levels of a column that questions tell apart
_RATE: Final = 0.1  # of what a tree finds
_SHARE: Final = 0.85  # of the rows, drawn anew for each tree
_MOST_ROWS: Final = 16_000  # of a tree: for more rows it takes no longer
_MOST_COLUMNS: Final = 24  # of a tree: drawn where there are more
_LEAST: Final = 1.0  # curvature on either side of a question: four rows and more
_RIDGE: Final = 1.0
_RARE: Final = 20  # rows: a word seen less often is asked for together with all that are


@dataclass(frozen=True, slots=True)
class Tree:
    """`columns` asked, and the answer of each level, by question: 0 is the root, 1 and 2 follow it.

    `values`: of the leaves, whole numbers of `UNIT`.
    """

    columns: Places
    answers: Answers
    values: Numbers

    def leaves(self, levels: LevelsOfRows) -> Places:
        """The leaf of each row of levels."""
        begin, flat = np.arange(len(levels)) * levels.shape[1], levels.ravel()
        node = np.zeros(len(levels), dtype=np.int64)
        answers, width = self.answers.ravel(), self.answers.shape[1]
        for _ in range(DEPTH):
            asked = flat.take(begin + self.columns.take(node))
            node = 2 * node + 1 + answers.take(node * width + asked)
        return node - len(self.columns)


@dataclass(frozen=True, slots=True)
class Asked:
    """The columns that questions are asked of, in few levels: for each code of the table, its level."""

    features: Mapping[str, Feature]
    known: Mapping[str, Mapping[str, int]]  # level of each word that is not rare

    def levels(self, table: Table, which: Places) -> LevelsOfRows:
        """The levels of these rows, one for each column. Words that are rare or were never seen are level 0."""
        found = np.zeros((len(which), len(self.features)), dtype=np.uint8)
        for place, (name, feature) in enumerate(self.features.items()):
            codes, levels = table.coded(name, feature)
            if isinstance(feature, Bins):
                found[:, place] = codes[which]
            else:
                known = self.known[name]
                found[:, place] = np.array([known.get(level, 0) for level in levels], dtype=np.int64)[codes[which]]
        return found

    @property
    def width(self) -> int:
        """Levels of the column that has the most."""
        return 1 + max(
            len(feature.edges) + 1 if isinstance(feature, Bins) else len(self.known[name])
            for name, feature in self.features.items()
        )

    @property
    def worded(self) -> Answers:
        """Whether each column holds words, whose levels have no order of their own."""
        return np.array([name in self.known for name in self.features])


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees and what they ask."""

    asked: Asked
    grown: tuple[Tree, ...]

    def log_odds(self, table: Table, which: Places) -> Numbers:
        """What all of them add to each of these rows."""
        levels = self.asked.levels(table, which)
        total = np.zeros(len(which))
        for tree in self.grown:
            total += tree.values[tree.leaves(levels)]
        return total

    def moved(self, table: Table, which: Places) -> Iterator[tuple[list[str], float]]:
        """For each tree: the columns that it asks, and how far it moves the log-odds of these rows on average."""
        levels, names = self.asked.levels(table, which), list(self.asked.features)
        for tree in self.grown:
            parts = tree.values[tree.leaves(levels)]
            asked = np.unique(tree.columns[tree.answers.any(axis=1)])
            yield [names[column] for column in asked.tolist()], float(np.abs(parts - parts.mean()).mean())


def ask(table: Table, features: Mapping[str, Feature], which: Places) -> Asked:
    """What can be asked of these rows."""
    every: dict[str, Feature] = {}
    known: dict[str, dict[str, int]] = {}
    for name, feature in features.items():
        if isinstance(feature, Bins):
            every[name] = table.feature(name, which, _WIDTH - 2)
            continue
        codes, levels = table.coded(name, feature)
        counts = np.bincount(codes[which], minlength=len(levels))
        often = [code for code in np.argsort(-counts, kind="stable")[: _WIDTH - 1].tolist() if counts[code] >= _RARE]
        every[name] = feature
        known[name] = {levels[code]: level for level, code in enumerate(often, start=1)}
    return Asked(every, known)


def grow(
    asked: Asked,
    levels: LevelsOfRows,
    odds: Numbers,
    outcome: Numbers,
    counted: Numbers,
    most: int,
    judged: tuple[LevelsOfRows, Numbers, Numbers, Numbers] | None = None,
) -> tuple[tuple[Tree, ...], Numbers]:
    """So many trees on rows of these levels, which have these log-odds already, each `counted` with a weight.

    With rows to be `judged` (the same of others): also their loss before, and after each tree.
    """
    dice = np.random.default_rng(len(levels))
    odds = odds.copy()
    width, worded = asked.width, asked.worded
    share = min(_SHARE, _MOST_ROWS / max(1, len(levels)))
    trees: list[Tree] = []
    seen = []
    beside = None
    if judged is not None:
        beside = judged[1].copy()
        seen.append(_loss(beside, judged[2], judged[3]))
    for _ in range(most):
        drawn = np.flatnonzero(dice.random(len(levels)) < share)
        columns = np.arange(levels.shape[1])
        if len(columns) > _MOST_COLUMNS:
            columns = np.sort(dice.permutation(len(columns))[:_MOST_COLUMNS])
        chance = expit(odds[drawn])
        weight = counted[drawn]
        error, curvature = weight * (chance - outcome[drawn]), weight * chance * (1 - chance)
        tree = _grown(levels[drawn][:, columns], error, curvature, width, worded[columns], columns)
        trees.append(tree)
        odds += tree.values[tree.leaves(levels)]
        if beside is not None and judged is not None:
            beside += tree.values[tree.leaves(judged[0])]
            seen.append(_loss(beside, judged[2], judged[3]))
            if len(seen) - int(np.argmin(seen)) > _PATIENCE:
                break
    return tuple(trees), np.array(seen)


def _loss(odds: Numbers, outcome: Numbers, counted: Numbers) -> float:
    return float(counted @ losses(expit(odds), outcome))


def _grown(
    levels: LevelsOfRows, error: Numbers, curvature: Numbers, width: int, worded: Answers, columns: Places
) -> Tree:
    """One tree: each question is the one that explains most of the error of the rows that it is asked of."""
    count, across = levels.shape
    flat = levels + width * np.arange(across)
    asks = np.zeros(2**DEPTH - 1, dtype=np.int64)
    answers = np.zeros((2**DEPTH - 1, width), dtype=np.bool_)
    node = np.zeros(count, dtype=np.int64)
    rows = np.arange(count)
    told, sure = _sums(flat, node, 1, width, error, curvature)
    for depth in range(DEPTH):
        nodes, first = 2**depth, 2**depth - 1
        if depth:
            # Only the rows of one child are summed up; what its parent has beyond them is the other's.
            ones = np.flatnonzero(node % 2)
            one, sure_one = _sums(flat[ones], node[ones] // 2, nodes // 2, width, error[ones], curvature[ones])
            told = np.stack((told - one, one), axis=1).reshape(nodes, across, width)
            sure = np.stack((sure - sure_one, sure_one), axis=1).reshape(nodes, across, width)
        found, cut, order = _best(told, sure, worded)
        for place in range(nodes):
            asks[first + place] = columns[found[place]]
            if cut[place] >= 0:
                answers[first + place, order[place, found[place], cut[place] + 1 :]] = True
        node = 2 * node + answers[first + node, levels[rows, found[node]]]
    leaves = 2**DEPTH
    left, known = np.bincount(node, error, minlength=leaves), np.bincount(node, curvature, minlength=leaves)
    return Tree(asks, answers, UNIT * np.round(-_RATE * left / (known + _RIDGE) / UNIT))


def _sums(
    flat: Places, node: Places, nodes: int, width: int, error: Numbers, curvature: Numbers
) -> tuple[Numbers, Numbers]:
    """Error and curvature of the rows, by node, column and level. `flat`: the levels, numbered over all columns."""
    across = flat.shape[1]
    cells = (flat + node[:, None] * (across * width)).ravel()
    size, shape = nodes * across * width, (nodes, across, width)
    errors, curvatures = (
        np.bincount(cells, np.repeat(each, across), minlength=size).astype(np.float64) for each in (error, curvature)
    )
    return errors.reshape(shape), curvatures.reshape(shape)


def _best(told: Numbers, sure: Numbers, worded: Answers) -> tuple[Places, Places, Places]:
    """The column and the cut of each node, -1 for none, and the order of levels that the cut is in."""
    natural = np.broadcast_to(np.arange(told.shape[2], dtype=np.float64), told.shape)
    order = np.argsort(np.where(worded[None, :, None], told / (sure + _RIDGE), natural), axis=2, kind="stable")
    left = np.cumsum(np.take_along_axis(told, order, axis=2), axis=2)
    sure_left = np.cumsum(np.take_along_axis(sure, order, axis=2), axis=2)
    whole, sure_whole = left[:, :, -1:], sure_left[:, :, -1:]
    right, sure_right = whole - left, sure_whole - sure_left
    gain = left**2 / (sure_left + _RIDGE) + right**2 / (sure_right + _RIDGE) - whole**2 / (sure_whole + _RIDGE)
    gain[(sure_left < _LEAST) | (sure_right < _LEAST)] = 0.0
    flat = gain.reshape(len(gain), -1)
    best = flat.argmax(axis=1)
    cut = np.where(flat[np.arange(len(flat)), best] > 0.0, best % told.shape[2], -1)
    return best // told.shape[2], cut, order
