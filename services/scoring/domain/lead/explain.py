"""P(conversion) as odds that multiply, each with its reason. Pure and exact: what is shown is what is scored."""

import math
from dataclasses import dataclass
from typing import Final

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.lead import learnt
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.lead.against import against
from services.scoring.domain.lead.learnt import Weighed
from services.scoring.domain.model.model import Model
from services.scoring.domain.model.scorecard import FitRule

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
    column = each.column.removeprefix(learnt.TRAIT).removeprefix(learnt.DID)
    return Because(factor, each.log_odds(value), f"learnt: {column} {each.feature.says(each.feature.level(value))}")
