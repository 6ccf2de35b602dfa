"""Which interactions the model of leads has: pairs of columns, and trees for what more of them say together.

Both count only where they lower the loss on rows that the fit has not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
_ROWS_FOR_CHOICE: Final = 500  # below it there are no interactions
_CHOICE_ROWS: Final = 20_000  # a choice needs no more
_RANKED_ROWS: Final = 10_000  # nor the ranking of pairs
_GAINED: Final = 1.0  # standard errors above what chance explains, for a pair to be tried
_TRIED: Final = 0.7  # share of the rows to fit; the rest judges
_FOLDS: Final = 3
_WORTH: Final = 3.0  # nats: chance alone lowers the loss by one or two
_ROWS_FOR_ONE: Final = 6000  # from here on one third judges as well as each in turn


def fit_leads(table: Table, outcome: Numbers, which: Places, *, counted: Numbers | None = None) -> LeadFit:
    """The whole fit on these rows: levels, interactions where they help, the prior's variances, weights, trees."""
    features = table.described(which)
    pairs, trees = list[Pair](), 0
    if len(which) >= _ROWS_FOR_CHOICE and 0 < outcome[which].sum() < len(which):
        step = -(-len(which) // _CHOICE_ROWS)
        pairs = _pairs(table, outcome, which[::step], features)
        trees = _trees(table, outcome, which[::step], features, pairs)
    design = make_design(table, features, pairs, which)
    rows = table.rows(design, which)
    fitted = fit_variances(rows, outcome[which], design, counted=counted)
    if not trees:
        return fitted
    asked = ask(table, features, which)
    grown, _ = grow(asked, asked.levels(table, which), fitted.log_odds(rows), outcome[which], trees)
    return replace(fitted, trees=Trees(asked, grown))


def _pairs(table: Table, outcome: Numbers, which: Places, features: Mapping[str, Feature]) -> list[Pair]:
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


def _trees(
    table: Table, outcome: Numbers, which: Places, features: Mapping[str, Feature], pairs: Sequence[Pair]
) -> int:
    """How many trees lower the loss most on rows that were not fitted: of a share of many, of all in turn of few."""
    drawn = np.random.default_rng(len(which)).permutation(len(which))
    share = _FOLDS if len(which) >= _ROWS_FOR_ONE else 1
    seen = np.zeros(MOST_TREES + 1)
    for fold in range(_FOLDS // share):
        judging = drawn % _FOLDS == fold
        inside, outside = which[~judging], which[judging]
        design = make_design(table, features, pairs, inside)
        fitted = fit_variances(table.rows(design, inside), outcome[inside], design)
        asked = ask(table, features, inside)
        _, each = grow(
            asked, asked.levels(table, inside), fitted.of(table, inside), outcome[inside], MOST_TREES,
            (asked.levels(table, outside), fitted.of(table, outside), outcome[outside]),
        )  # fmt: skip
        seen += np.pad(each, (0, len(seen) - len(each)), mode="edge")
    return int(seen.argmin()) if seen[0] - seen.min() > _WORTH else 0


def _loss(fitted: LeadFit, table: Table, outcome: Numbers, which: Places) -> float:
    return float(losses(expit(fitted.of(table, which)), outcome[which]).sum())


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
