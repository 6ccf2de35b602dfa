"""P(conversion) as odds that multiply, each with its reason. Pure and exact: what is shown is what is scored."""

import math
from dataclasses import dataclass
from typing import Final

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.lead import learnt
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.lead.against import against
from services.scoring.domain.lead.features import DID
from services.scoring.domain.lead.learnt import Weighed
from services.scoring.domain.lead.together import Together
from services.scoring.domain.model.model import Model
from services.scoring.domain.model.scorecard import FitRule

_TREES: Final = 3  # columns of trees, each on a line of its own
_NOTHING: Final = 1e-9  # log-odds: a sum's last bits


@dataclass(frozen=True, slots=True)
class Because:
    """One reason: it adds `log_odds`, so it multiplies the odds by e to that."""

    factor: str
    log_odds: float
    says: str

    @property
    def times(self) -> float:
        """The factor on the odds."""
        return math.exp(self.log_odds)


def explained(state: ContactState, model: Model) -> list[Because]:
    """Everything that adds up to the log-odds of an open lead: its source first, then the strongest."""
    at, lead = state.as_of, model.learnt.lead
    name = learnt.said("source", state)
    found = [Because("source", model.scorecard.source(state.source).log_odds, f"leads of {name or 'no known source'}")]
    rest = [
        Because("traits", rule.log_odds, _rule(rule))
        for rule in model.scorecard.fit
        if lead_value.matches(rule, state.get(f"trait:{rule.trait}"))
    ]
    rest += [Because("traits", odds, says) for says, odds in against(state, model.scorecard.against)]
    over = lead_value.scorecard_fit(state, model.scorecard) - math.fsum(each.log_odds for each in rest)
    if abs(over) > _NOTHING:
        rest.append(Because("traits", over, "the cap on traits"))
    scorecard = lead_value.scorecard_engagement(state, model.scorecard, at)
    rest.append(Because("engagement", scorecard, "what is left of all that it did"))
    rest.append(Because("time", lead_value.scorecard_recency(state, model.scorecard, at), "the days since it asked"))
    if lead is not None:
        rest.append(Because("source", lead.intercept, "how many leads have bought of late"))
        rest += [_learnt("source", each, learnt.said(each.column, state)) for each in lead.source]
        rest += [_learnt("traits", each, learnt.said(each.column, state)) for each in lead.traits]
        rest += [_learnt("engagement", each, learnt.did(each.column, state, scorecard, at)) for each in lead.engagement]
        rest += [_learnt("time", each, learnt.age(state, at)) for each in lead.time]
        if lead.together is not None:
            rest += _together(lead.together, learnt.levels_together(lead.together, state, scorecard, at))
    return found + sorted(
        (each for each in rest if each.log_odds), key=lambda each: (-abs(each.log_odds), each.factor, each.says)
    )


def _rule(rule: FitRule) -> str:
    if rule.among is not None:
        return f"{rule.trait} is among those you look for"
    if rule.at_least is not None:
        return f"{rule.trait} is at least {rule.at_least:g}"
    return f"{rule.trait} is {'known' if rule.present else 'not known'}"


def _learnt(factor: str, each: Weighed, value: float | str | None) -> Because:
    says = f"learnt: {_short(each.column)} {each.feature.says(each.feature.level(value))}"
    return Because(factor, each.log_odds(value), says)


def _together(together: Together, levels: bytes) -> list[Because]:
    """A reason for each pair, and for the trees by the column that they ask first: the strongest of these."""
    columns = {each.name: (each, level) for each, level in zip(together.columns, levels, strict=True)}
    found = []
    for each, log_odds in zip(together.pairs, together.of_pairs(levels), strict=True):
        parts = [
            f"{_short(name)} {coarse.says(coarse.level(column.values[level]))}"
            for name, coarse in zip((each.pair.first, each.pair.second), each.pair.coarse, strict=True)
            for column, level in (columns[name],)
        ]
        found.append(Because("together", log_odds, f"learnt: {' together with '.join(parts)}"))
    trees = sorted(together.of_trees(levels).items(), key=lambda each: (-abs(each[1]), each[0]))
    for name, log_odds in trees[:_TREES]:
        column, level = columns[name]
        says = f"learnt: {_short(name)} {column.says(level)}, together with what else is known"
        found.append(Because("together", log_odds, says))
    others = math.fsum(log_odds for _, log_odds in trees[_TREES:])
    return [*found, Because("together", others, "learnt: all else that is known, together")]


def _short(column: str) -> str:
    return column.removeprefix(learnt.TRAIT).removeprefix(DID)
