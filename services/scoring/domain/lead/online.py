"""What the outcomes of leads teach the model in force between two fits: one Bayes step for each (models.md, 2.2). Pure.

Every weight is believed with a variance, which the fit left it. An outcome moves the weights of its tokens by what it
surprised, the less sure ones further, and makes each surer. The same outcomes in the same order give the same bits, so
a step can be made again from the fit and the stored events.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

from services.scoring.domain.lead.features import DID, Value
from services.scoring.domain.lead.learnt import LeadModel, Weighed
from services.scoring.domain.lead.odds import sigmoid

_MOST_LEVELS: Final = 1000  # of a feature; further ones stay unseen
_Token: TypeAlias = tuple[str, str]  # a feature and its level
_INTERCEPT: Final[_Token] = ("", "")


class Outcome(NamedTuple):
    """A look at a lead: what was known, the scorecard's log-odds, whether it bought, and its share of the lead."""

    known: Mapping[str, Value]
    scorecard: float
    bought: bool
    share: float = 1.0


class _Belief(NamedTuple):
    mean: float
    variance: float


def taught(model: LeadModel, outcomes: Iterable[Outcome]) -> LeadModel:
    """The model after these outcomes, one after the other. What features say together stays as it was fitted."""
    beliefs = {_INTERCEPT: _Belief(model.intercept, model.intercept_variance)}
    counts = {each.name: len(each.weights) for each in model.features}
    for outcome in outcomes:
        tokens = [_INTERCEPT]
        for each in model.features:
            token = each.name, each.feature.level(_value(each, outcome.known))
            if token not in beliefs:
                if token[1] not in each.weights:
                    if counts[each.name] >= _MOST_LEVELS:
                        continue
                    counts[each.name] += 1
                beliefs[token] = _before(each, token[1])
            tokens.append(token)
        beside = outcome.scorecard
        if model.together is not None:
            beside += model.together.log_odds(model.together.levels(outcome.known))
        _step(beliefs, tokens, outcome._replace(scorecard=beside))
    intercept = beliefs[_INTERCEPT]

    def moved(features: tuple[Weighed, ...]) -> tuple[Weighed, ...]:
        return tuple(_moved(each, beliefs) for each in features)

    return replace(
        model,
        intercept=intercept.mean,
        source=moved(model.source),
        traits=moved(model.traits),
        engagement=moved(model.engagement),
        time=moved(model.time),
        intercept_variance=intercept.variance,
    )


def _value(each: Weighed, known: Mapping[str, Value]) -> Value:
    return known.get(each.column, 0.0 if each.column.startswith(DID) else None)


def _before(each: Weighed, level: str) -> _Belief:
    """What is believed of a level that no outcome has moved yet."""
    return _Belief(each.weights.get(level, 0.0), each.variances.get(level, each.unseen))


def _step(beliefs: dict[_Token, _Belief], tokens: list[_Token], outcome: Outcome) -> None:
    present = [beliefs[token] for token in tokens]
    unsure = math.fsum(each.variance for each in present)
    odds = math.fsum((outcome.scorecard, *(each.mean for each in present)))
    chance = sigmoid(odds / math.sqrt(1.0 + math.pi * unsure / 8.0))
    curvature = outcome.share * chance * (1.0 - chance)
    kept = 1.0 / (1.0 + curvature * unsure)
    surprise = outcome.share * (outcome.bought - chance) * kept
    for token, each in zip(tokens, present, strict=True):
        beliefs[token] = _Belief(
            each.mean + each.variance * surprise, each.variance - each.variance**2 * curvature * kept
        )


def _moved(each: Weighed, beliefs: Mapping[_Token, _Belief]) -> Weighed:
    mine = {level: belief for (name, level), belief in beliefs.items() if name == each.name}
    if not mine:
        return each
    return replace(
        each,
        weights={**each.weights, **{level: belief.mean for level, belief in mine.items()}},
        variances={**each.variances, **{level: belief.variance for level, belief in mine.items()}},
    )
