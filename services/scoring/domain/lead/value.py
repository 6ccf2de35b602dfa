"""Lead value = P(conversion) x expected revenue - acquisition cost. P from log-odds that add up (models.md, 2.2)."""

import math
from typing import Any, NamedTuple

from services.scoring.domain.contact.contact import ContactState, moment
from services.scoring.domain.lead import learnt
from services.scoring.domain.lead.against import against
from services.scoring.domain.lead.odds import sigmoid
from services.scoring.domain.model.model import Model
from services.scoring.domain.model.scorecard import FitRule, Scorecard
from shared.money import MAX_MINOR
from shared.places.countries import country_code


class Parts(NamedTuple):
    """What a lead's value is made of: log-odds, then money in base minor units."""

    prior: float
    fit: float
    engagement: float
    recency: float
    together: float
    revenue: float
    cost: int


def parts(state: ContactState, model: Model, clock: float) -> Parts:
    """The parts as of `clock`, in seconds since 1970."""
    did, together = engagement_and_together(state, model, clock)
    return Parts(
        prior(state, model),
        fit(state, model),
        did,
        recency(state, model, clock),
        together,
        revenue(state, model),
        cost(state, model),
    )


def conversion(of: Parts) -> float:
    """P(conversion), in (0, 1)."""
    return sigmoid(of.prior + of.fit + of.engagement + of.recency + of.together)


def value(of: Parts) -> int:
    """The lead value in base minor units, rounded half to even."""
    return min(MAX_MINOR, round(conversion(of) * of.revenue)) - of.cost


def at_once(state: ContactState, model: Model) -> int:
    """P(conversion) x expected revenue as last booked: the acquisition cost is sunk, and does not rank a lead."""
    return state.lead + cost(state, model)


def prior(state: ContactState, model: Model) -> float:
    """The log-odds of its source."""
    odds, lead = model.scorecard.source(state.source).log_odds, model.learnt.lead
    return odds if lead is None else odds + lead.intercept + learnt.of_said(lead.source, state)


def fit(state: ContactState, model: Model) -> float:
    """How well the traits match the audience, in log-odds."""
    odds, lead = scorecard_fit(state, model.scorecard), model.learnt.lead
    return odds if lead is None else odds + learnt.of_said(lead.traits, state)


def scorecard_fit(state: ContactState, card: Scorecard) -> float:
    """By the scorecard: every rule that is met, and what speaks against it, up to the cap."""
    met = [rule.log_odds for rule in card.fit if matches(rule, state.get(f"trait:{rule.trait}"))]
    return capped(math.fsum((*met, *(odds for _, odds in against(state, card.against)))), card.most_fit)


def capped(log_odds: float, most: float) -> float:
    """No more than `most`, either way."""
    return max(-most, min(most, log_odds))


def matches(rule: FitRule, said: Any) -> bool:
    """Whether the trait's value meets the rule."""
    if rule.present is not None:
        return (said not in (None, "")) == rule.present
    if said is None:
        return False
    if rule.among is not None:
        text = str(said)
        return text.lower() in rule.among or (rule.trait == "country" and _country(text) in rule.among)
    try:
        return rule.at_least is not None and float(said) >= rule.at_least
    except (TypeError, ValueError, OverflowError):
        return False


def engagement_and_together(state: ContactState, model: Model, clock: float) -> tuple[float, float]:
    """What is left of all engagement, and what features say only together (it is one of them), in log-odds."""
    odds, lead = scorecard_engagement(state, model.scorecard, clock), model.learnt.lead
    if lead is None:
        return odds, 0.0
    together = 0.0 if lead.together is None else learnt.of_together(lead.together, state, odds, clock)
    return odds + learnt.of_did(lead.engagement, state, odds, clock), together


def scorecard_engagement(state: ContactState, card: Scorecard, clock: float) -> float:
    """By the scorecard: `weight` for each doubling, up to the cap.

    A half-life that the counts do not have yet adds nothing.
    """
    if not state.engaged:
        return 0.0
    common = card.half_lives if card.common is None else card.common
    places = [(place, each) for place, each in enumerate(state.half_lives, 1) if each in common]
    own = {
        kind: [(place, each) for place, each in enumerate(state.half_lives, 1) if each == half_life]
        for kind, half_life in card.own_half_life.items()
    }
    left = math.fsum(
        card.points.get(kind, card.default_points) * counts[place] * 2.0 ** (min(0.0, counts[0] - clock) / half_life)
        for kind, counts in state.engaged.items()
        for place, half_life in own.get(kind, places)
    )
    return capped(card.engagement_weight * math.log2(1.0 + left), card.most_engagement) if left else 0.0


def recency(state: ContactState, model: Model, clock: float) -> float:
    """A lead cools with the days since its capture, in log-odds, down to a floor."""
    odds, lead = scorecard_recency(state, model.scorecard, clock), model.learnt.lead
    return odds if lead is None else odds + learnt.of_age(lead.time, state, clock)


def scorecard_recency(state: ContactState, card: Scorecard, clock: float) -> float:
    """By the scorecard: so much a day, down to a floor."""
    if state.captured is None or clock <= state.captured:
        return 0.0
    return max(card.recency_floor, (clock - state.captured) * card.recency_per_second)


def revenue(state: ContactState, model: Model) -> float:
    """Expected first-year margin: the lead's own estimate, else the mean of all, in base minor units."""
    said = estimate(state, model)
    return float(model.scorecard.revenue) if said is None else said * model.scorecard.lead_margin


def cost(state: ContactState, model: Model) -> int:
    """What it cost to get the lead: its share of recorded costs, else what one of its source costs as a rule."""
    return model.scorecard.source(state.source).cost if state.cost is None else state.cost


def estimate(state: ContactState, model: Model) -> int | None:
    """The lead's own estimate in base minor units, at the rate of its day; None when it has none, or no rate yet."""
    said = state.known.get("estimate")
    if said is None:
        return None
    if isinstance(said.value, int):  # a state of the first form: converted when it was said
        return said.value
    amount, currency, source = said.value
    minor = model.pricing.rates.in_base(amount, currency, moment(said.at).date())
    if minor is None:
        return None
    return max(0, min(minor, model.scorecard.source(source).estimate_limit) if said.public else minor)


def unconverted(state: ContactState, model: Model) -> str | None:
    """The currency of the lead's own estimate, if there is no rate for it: the mean of all leads counts instead."""
    said = state.get("estimate")
    return str(said[1]) if said is not None and estimate(state, model) is None else None


def _country(text: str) -> str:
    return (country_code(text) or text).lower()
