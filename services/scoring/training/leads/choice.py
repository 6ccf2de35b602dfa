"""Which interactions the model of leads has: pairs of columns, and trees for what more of them say together.

Both count only where they lower the loss of leads that the fit has not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
from scipy.special import expit

from services.scoring.domain.lead.features import Feature, Pair
from services.scoring.training.evaluation import losses
from services.scoring.training.leads.design import Numbers, Places, Table, coarse, make_design
from services.scoring.training.leads.fit import LeadFit, fit_variances
from services.scoring.training.leads.trees import MOST_TREES, Trees, ask, grow

_MOST_PAIRS: Final = 24
_LEADS_FOR_CHOICE: Final = 500  # below it there are no interactions
_CHOICE_ROWS: Final = 20_000  # a choice needs no more
_RANKED_ROWS: Final = 10_000  # nor the ranking of pairs
_GAINED: Final = 1.0  # standard errors above what chance explains, for a pair to be tried
_TRIED: Final = 0.7  # share of the rows to fit; the rest judges
_FOLDS: Final = 3
_WORTH: Final = 3.0  # nats: chance alone lowers the loss by one or two
_LEADS_FOR_ONE: Final = 6000  # from here on one third judges as well as each in turn


@dataclass(frozen=True, slots=True)
class Past:
    """Leads of the past, row by row.

    `counted`: what each counts; `beside`: log-odds that it already has, to which a fit adds. `groups`: the lead of each
    row, where there are several rows to one: what is chosen is judged on other leads, not on other rows of the same.
    """

    table: Table
    outcome: Numbers
    counted: Numbers
    beside: Numbers
    groups: Places

    def fit(self, which: Places, features: Mapping[str, Feature], pairs: Sequence[Pair]) -> LeadFit:
        """Weights of these rows, and how far they may move."""
        design = make_design(self.table, features, pairs, which)
        rows = self.table.rows(design, which)
        return fit_variances(rows, self.outcome[which], design, counted=self.counted[which], beside=self.beside[which])

    def odds(self, fitted: LeadFit, which: Places) -> Numbers:
        """The log-odds of these rows, with what they had before."""
        return self.beside[which] + fitted.of(self.table, which)

    def loss(self, fitted: LeadFit, which: Places) -> float:
        return float(self.counted[which] @ losses(expit(self.odds(fitted, which)), self.outcome[which]))

    def leads(self, which: Places) -> tuple[int, Places]:
        """How many leads these rows are of, and the number of each row's."""
        names, numbers = np.unique(self.groups[which], return_inverse=True)
        return len(names), numbers


def fit_leads(
    table: Table,
    outcome: Numbers,
    which: Places,
    *,
    counted: Numbers | None = None,
    beside: Numbers | None = None,
    groups: Places | None = None,
) -> LeadFit:
    """The whole fit on these rows: levels, interactions where they help, the prior's variances, weights, trees.

    `counted`, `beside` and `groups` are of all rows of the table, as the outcome is (see `Past`).
    """
    past = Past(
        table,
        outcome,
        np.ones(len(outcome)) if counted is None else counted,
        np.zeros(len(outcome)) if beside is None else beside,
        np.arange(len(outcome)) if groups is None else groups,
    )
    features = table.described(which)
    pairs, trees = list[Pair](), 0
    if past.leads(which)[0] >= _LEADS_FOR_CHOICE and 0 < outcome[which].sum() < len(which):
        some = which[:: -(-len(which) // _CHOICE_ROWS)]
        pairs = _pairs(past, some, features)
        trees = _trees(past, some, features, pairs)
    fitted = past.fit(which, features, pairs)
    if not trees:
        return fitted
    asked = ask(table, features, which)
    grown, _ = grow(
        asked, asked.levels(table, which), past.odds(fitted, which), outcome[which], past.counted[which], trees
    )
    return replace(fitted, trees=Trees(asked, grown))


def _pairs(past: Past, which: Places, features: Mapping[str, Feature]) -> list[Pair]:
    """The pairs of features that lower the loss of leads that the fit has not seen; none when they do not."""
    count, lead = past.leads(which)
    judging = (np.random.default_rng(count).random(count) >= _TRIED)[lead]
    inside, outside = which[~judging], which[judging]
    main = past.fit(inside, features, ())
    pairs = interactions(past, features, main, inside)
    best, least = list[Pair](), past.loss(main, outside)
    for most in (len(pairs), len(pairs) // 3):
        if most:
            loss = past.loss(past.fit(inside, features, pairs[:most]), outside)
            if loss < least:
                best, least = pairs[:most], loss
    return best


def _trees(past: Past, which: Places, features: Mapping[str, Feature], pairs: Sequence[Pair]) -> int:
    """How many trees lower the loss most of leads that were not fitted: of a share of many, of all in turn of few."""
    count, lead = past.leads(which)
    drawn = np.random.default_rng(count).permutation(count)[lead]
    share = _FOLDS if count >= _LEADS_FOR_ONE else 1
    seen = np.zeros(MOST_TREES + 1)
    for fold in range(_FOLDS // share):
        judging = drawn % _FOLDS == fold
        inside, outside = which[~judging], which[judging]
        fitted = past.fit(inside, features, pairs)
        asked = ask(past.table, features, inside)
        told, judged = (
            (asked.levels(past.table, rows), past.odds(fitted, rows), past.outcome[rows], past.counted[rows])
            for rows in (inside, outside)
        )
        _, each = grow(asked, *told, MOST_TREES, judged)
        seen += np.pad(each, (0, len(seen) - len(each)), mode="edge")
    return int(seen.argmin()) if seen[0] - seen.min() > _WORTH else 0


def interactions(past: Past, features: Mapping[str, Feature], main: LeadFit, which: Places) -> list[Pair]:
    """The pairs that explain most of what the main effects leave, by the score test of their cells."""
    table = past.table
    which = which[:: -(-len(which) // _RANKED_ROWS)]
    chance = expit(past.odds(main, which))
    counted = past.counted[which]
    left, curvature = counted * (past.outcome[which] - chance), counted * chance * (1 - chance)
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
