"""Lead value = P(conversion) x expected revenue - acquisition cost. P from log-odds that add up (models.md, 2.2)."""

import math
from typing import Any, NamedTuple

from services.scoring.domain.contact import ContactState
from services.scoring.domain.model import FitRule, Model
from shared.money import MAX_MINOR


class Parts(NamedTuple):
    """What a lead's value is made of: log-odds, then money in base minor units."""

    prior: float
    fit: float
    engagement: float
    recency: float
    revenue: float
    cost: int


def parts(state: ContactState, model: Model, clock: float) -> Parts:
    """The parts as of `clock`, in seconds since 1970."""
    source = model.source(state.source)
    return Parts(
        source.log_odds,
        fit(state, model),
        engagement(state, model, clock),
        recency(state, model, clock),
        revenue(state, model),
        source.cost,
    )


def conversion(of: Parts) -> float:
    """P(conversion), in (0, 1)."""
    return sigmoid(of.prior + of.fit + of.engagement + of.recency)


def value(of: Parts) -> int:
    """The lead value in base minor units, rounded half to even."""
    return min(MAX_MINOR, round(conversion(of) * of.revenue)) - of.cost


def sigmoid(log_odds: float) -> float:
    """1 / (1 + e^-x), finite for every x and never quite 0 or 1."""
    bounded = min(30.0, max(-30.0, log_odds))
    if bounded >= 0:
        return 1.0 / (1.0 + math.exp(-bounded))
    grown = math.exp(bounded)
    return grown / (1.0 + grown)


def fit(state: ContactState, model: Model) -> float:
    """How well the traits match the audience, in log-odds."""
    return math.fsum(rule.log_odds for rule in model.fit if _matches(rule, state.get(f"trait:{rule.trait}")))


def _matches(rule: FitRule, said: Any) -> bool:
    if rule.present is not None:
        return (said not in (None, "")) == rule.present
    if said is None:
        return False
    if rule.among is not None:
        return str(said).lower() in rule.among
    try:
        return rule.at_least is not None and float(said) >= rule.at_least
    except (TypeError, ValueError, OverflowError):
        return False


def engagement(state: ContactState, model: Model, clock: float) -> float:
    """What is left of all engagement, in log-odds: `weight` for each doubling."""
    left = 0.0
    for (amount, at), half_life in zip(state.counters, model.half_lives, strict=False):
        left += amount * 2.0 ** (min(0.0, at - clock) / half_life)
    return model.engagement_weight * math.log2(1.0 + left) if left else 0.0


def recency(state: ContactState, model: Model, clock: float) -> float:
    """A lead cools with the days since its capture, in log-odds, down to a floor."""
    if state.captured is None or clock <= state.captured:
        return 0.0
    return max(model.recency_floor, (clock - state.captured) * model.recency_per_second)


def revenue(state: ContactState, model: Model) -> float:
    """Expected first-year margin: the lead's own estimate, else the mean of all, in base minor units."""
    estimate = state.get("estimate")
    return float(model.revenue) if estimate is None else estimate * model.lead_margin
