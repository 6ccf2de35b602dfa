"""The lead model from past leads: fitted on top of the scorecard, judged on later leads (models.md, 2.2)."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from scipy.special import expit

from services.scoring.domain.lead import learnt
from services.scoring.domain.lead.features import DID, Bins, Value, column_of
from services.scoring.domain.lead.learnt import LeadModel, Weighed
from services.scoring.domain.lead.together import UNIT, Column, Together, Tree, WeighedPair
from services.scoring.domain.model.learnt import lead_parameters
from services.scoring.domain.model.model import Model
from services.scoring.training.candidate import Candidate, TooFewError
from services.scoring.training.evaluation import better, evaluate, losses
from services.scoring.training.leads.choice import fit_leads
from services.scoring.training.leads.dataset import Look
from services.scoring.training.leads.design import Numbers, Places, Table
from services.scoring.training.leads.fit import LeadFit
from services.scoring.training.leads.trees import Trees
from shared.durations import DAY_S

_FEWEST: Final = 30  # outcomes of each kind; with fewer, the scorecard is as good
_FEWEST_NEW: Final = 50  # leads to compare on
_HELD_OUT: Final = 0.25  # of the leads, the newest
_MOST_TRAITS: Final = 12
_MOST_KINDS: Final = 6
_SEEN: Final = 0.02  # a column known in fewer of the looks is left out
_IDENTIFIES: Final = 0.5  # distinct words per lead from which a column identifies leads and says nothing of the next
_FEW_WORDS: Final = 20
_HALF_LIFE_S: Final = 180.0 * DAY_S  # of what a lead says of those to come


def fit_lead_model(looks: Sequence[Look], model: Model, in_force: LeadModel | None, since: float | None) -> Candidate:
    """The candidate. `in_force` was fitted on leads that came until `since`. Raises TooFewError."""
    outcome = np.array([float(look.bought) for look in looks])
    of_lead = {look.lead: look.bought for look in looks}
    won = sum(of_lead.values())
    if min(won, len(of_lead) - won) < _FEWEST:
        raise TooFewError(
            f"{len(of_lead)} leads with an outcome, {won} bought: too few, {_FEWEST} of either are needed"
        )
    opened, leads = np.array([look.opened for look in looks]), np.array([look.lead for look in looks])
    cut = _cut(np.array(sorted({look.lead: look.opened for look in looks}.values())), since)
    older, newer = np.flatnonzero(opened < cut), np.flatnonzero(opened >= cut)
    if len(np.unique(leads[newer])) < _FEWEST_NEW or not len(older):
        raise TooFewError(f"fewer than {_FEWEST_NEW} leads to compare on came since the last fit")
    table, odds = Table(_columns(looks, len(of_lead))), np.array([look.scorecard for look in looks])
    # The looks at a lead add up to one, and old leads count less: sources change.
    counted = np.asarray(0.5 ** ((opened.max() - opened) / _HALF_LIFE_S) / np.bincount(leads)[leads])

    def fit(which: Places) -> LeadFit:
        return fit_leads(table, outcome, which, counted=counted, beside=odds, groups=leads)

    predicted = expit(odds[newer] + fit(older).of(table, newer))
    current = expit(odds[newer] + np.array([_says(in_force, looks[row].known) for row in newer.tolist()]))
    target = outcome[newer]
    scores, now_scores = evaluate(predicted, target), evaluate(current, target)
    final = fit(np.arange(len(looks)))
    compared = {"auc": now_scores.auc, "log_loss": now_scores.log_loss, "ece": now_scores.ece}
    against = "the model in force" if in_force is not None else "the scorecard"
    return Candidate(
        kind="lead",
        parameters=parameters_of(final, model.scorecard.odds),
        metrics=asdict(scores) | {"leads": len(of_lead), "bought": won, "compared": compared},
        rows=len(of_lead),
        trained_until=datetime.fromtimestamp(float(opened.max()), UTC),
        better=better(
            _by_lead(losses(predicted, target), leads[newer]), _by_lead(losses(current, target), leads[newer])
        ),
        said=f"log loss {scores.log_loss:.4f} on later leads, {against} {now_scores.log_loss:.4f}",
    )


def _cut(opened: Numbers, since: float | None) -> float:
    """From when on leads are held out: the newest ones, none of which the model in force was fitted on."""
    cut = float(np.quantile(opened, 1 - _HELD_OUT, method="higher"))
    if since is None:
        return cut
    new = opened[opened > since]
    return max(cut, float(np.quantile(new, 0.5, method="higher"))) if len(new) else float("inf")


def _columns(looks: Sequence[Look], leads: int) -> dict[str, list[Value]]:
    """The columns known for enough leads that do not identify them."""
    seen: dict[str, int] = {}
    for look in looks:
        for name, value in look.known.items():
            if value is not None:
                seen[name] = seen.get(name, 0) + 1
    common = sorted((name for name in seen if seen[name] >= _SEEN * len(looks)), key=lambda name: (-seen[name], name))
    columns: dict[str, list[Value]] = {name: _column(looks, name) for name in learnt.FIXED if name in seen}
    for prefix, most in ((learnt.TRAIT, _MOST_TRAITS), (DID, _MOST_KINDS)):
        left = most
        for name in (each for each in common if each.startswith(prefix)):
            values = _column(looks, name)
            words = {value for value in values if isinstance(value, str)}
            if left and len(words) <= max(_FEW_WORDS, _IDENTIFIES * leads):
                columns[name] = values
                left -= 1
    return columns


def _column(looks: Sequence[Look], name: str) -> list[Value]:
    nothing = 0.0 if name.startswith(DID) else None
    return [look.known.get(name, nothing) for look in looks]


def parameters_of(fitted: LeadFit, odds: str) -> str:
    """A fit as the text of a model beside the scorecard of this version."""
    return lead_parameters(odds, fitted.intercept, fitted.intercept_variance, _weighed(fitted), _together(fitted))


def _weighed(fitted: LeadFit) -> list[Weighed]:
    return [
        Weighed(
            name,
            feature,
            {level: float(fitted.weights[place]) for level, place in places.items()},
            {level: float(fitted.variances[place]) for level, place in places.items()},
            float(fitted.prior[next(iter(places.values()))]),  # that of its column
        )
        for (name, feature), places in zip(fitted.design.features.items(), fitted.design.places, strict=False)
    ]


def _together(fitted: LeadFit) -> Together | None:
    pairs = tuple(
        WeighedPair(pair, {level: float(fitted.weights[place]) for level, place in places.items()})
        for pair, places in zip(fitted.design.pairs, fitted.design.places[len(fitted.design.features) :], strict=True)
    )
    if fitted.trees is None:
        return Together(pairs) if pairs else None
    return Together(pairs, *_trees(fitted.trees))


def _trees(trees: Trees) -> tuple[tuple[Column, ...], tuple[Tree, ...]]:
    asked = tuple(
        Column(name, feature.edges if isinstance(feature, Bins) else None, trees.asked.known.get(name, {}))
        for name, feature in trees.asked.features.items()
    )
    bits = 1 << np.arange(trees.asked.width, dtype=object)
    grown = tuple(
        Tree(
            tuple(each.columns.tolist()),
            tuple(int(answers @ bits) for answers in each.answers),
            tuple(np.round(each.values / UNIT).astype(int).tolist()),
        )
        for each in trees.grown
    )
    return asked, grown


def _says(model: LeadModel | None, known: dict[str, Value]) -> float:
    """What a model adds to the scorecard for these values."""
    if model is None:
        return 0.0
    total = model.intercept
    for each in (*model.source, *model.traits, *model.engagement, *model.time):
        total += each.log_odds(known.get(column_of(each.name), 0.0 if each.name.startswith(DID) else None))
    if model.together is not None:
        total += model.together.log_odds(model.together.levels(known))
    return total


def _by_lead(of: Numbers, leads: Any) -> Numbers:
    """The mean loss of each lead over its looks: looks at one lead are not independent."""
    _, place, counts = np.unique(leads, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(place, of) / counts)
