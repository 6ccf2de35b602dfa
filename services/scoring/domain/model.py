"""The model: every number that the business or a refit decides, ready for the rules. Minor units, log-odds, seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from shared.money import MAX_MINOR, decimals, exactly, round_minor


@dataclass(frozen=True, slots=True)
class SourceModel:
    """What a source is like: the log-odds of conversion of its leads, and the cost of one in base minor units.

    `estimate_limit`: up to what a stranger's word on a lead's worth counts, in base minor units.
    """

    log_odds: float
    cost: int
    estimate_limit: int = MAX_MINOR


@dataclass(frozen=True, slots=True)
class FitRule:
    """Log-odds for a trait that is among some values, at least some number, or present at all."""

    trait: str
    log_odds: float
    among: frozenset[str] | None
    at_least: float | None
    present: bool | None


@dataclass(frozen=True, slots=True)
class ResponseCurve:
    """S(t) = phi + (1-phi)(1 + t/tau)^-beta, t in minutes since the lead came."""

    phi: float
    tau: float
    beta: float


@dataclass(frozen=True, slots=True)
class Model:
    """One version of the whole model. Money in minor units of `currency`."""

    version: str
    currency: str
    rates: Mapping[str, tuple[tuple[date, Decimal], ...]]  # newest first
    sources: Mapping[str, SourceModel]
    fit: tuple[FitRule, ...]
    half_lives: tuple[float, ...]  # seconds
    engagement_weight: float
    points: Mapping[str, float]
    default_points: float
    recency_per_second: float
    recency_floor: float
    revenue: int
    lead_margin: float
    margin_rate: float
    response: ResponseCurve
    handling_minutes: float

    def source(self, name: str | None) -> SourceModel:
        """What is known of a source (`/sources/website` is `website`)."""
        short = name.rpartition("/")[2] if name else ""
        return self.sources.get(short) or self.sources["default"]

    def in_base(self, amount: str, currency: str, day: datetime) -> int | None:
        """Minor units of the base currency at the rate of that day, rounded once; None when there is no rate.

        What is beyond all reason counts as the most there can be. Raises Permanent when the amount is no number.
        """
        exact = exactly(amount)
        rate = self._rate(currency, day)
        if rate is None:
            return None
        minor = (exact * rate).scaleb(decimals(self.currency))
        return round_minor(max(Decimal(-MAX_MINOR), min(Decimal(MAX_MINOR), minor)))

    def _rate(self, currency: str, day: datetime) -> Decimal | None:
        if currency == self.currency:
            return Decimal(1)
        return next((rate for since, rate in self.rates.get(currency, ()) if since <= day.date()), None)
