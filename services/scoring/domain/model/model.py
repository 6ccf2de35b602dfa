"""The model: every number that the business or a refit decides, ready for the rules. Minor units, log-odds, seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from services.scoring.domain.contact.contact import HalfLives
from services.scoring.domain.customer.population import CustomerModel
from services.scoring.domain.customer.tiers import Tiers
from services.scoring.domain.funnel.bottleneck import Target
from services.scoring.domain.lead.learnt import LeadModel
from services.scoring.domain.model.rates import Rates
from shared.money import MAX_MINOR


def short_name(source: str | None) -> str:
    """`website` of `/sources/website`."""
    return source.rpartition("/")[2] if source else ""


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


class Home(NamedTuple):
    """Where the business is: for contacts of whom nothing better is known. An ISO code, and a zone of the database."""

    country: str | None = None
    time_zone: str | None = None


NOWHERE: Final = Home()


@dataclass(frozen=True, slots=True)
class Model:
    """One version of the whole model. Money in minor units of `currency`; what was learnt of the past is None at first.

    `version` names the business's settings and what was learnt, joined by `+`. `pricing` is the version of the part
    that says what an order is worth (base currency, rates, `margin_rate`), `odds` that of the scorecard's log-odds.
    """

    version: str
    pricing: str
    rates: Rates
    sources: Mapping[str, SourceModel]
    fit: tuple[FitRule, ...]
    half_lives: HalfLives  # ascending
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
    horizon_months: int
    monthly_discount: float
    tiers: Tiers
    odds: str = ""
    lead: LeadModel | None = None
    customer: CustomerModel | None = None
    home: Home = NOWHERE
    curves: Mapping[str, ResponseCurve] = field(default_factory=dict)  # of sources that have their own
    qualified_at: int = MAX_MINOR  # P(conversion) x expected revenue from which on a lead counts as qualified
    targets: Mapping[Target, float] = field(
        default_factory=dict
    )  # of the funnel: stage to the share that should reach it

    def source(self, name: str | None) -> SourceModel:
        """What is known of a source (`/sources/website` is `website`)."""
        return self.sources.get(short_name(name)) or self.sources["default"]

    def curve_of(self, source: str | None) -> str:
        """The name of the response curve by which leads of a source cool; empty: that of all others."""
        short = short_name(source)
        return short if short in self.curves else ""

    def curve(self, name: str) -> ResponseCurve:
        """The response curve of this name."""
        return self.curves.get(name, self.response)

    def with_learnt(self, lead: LeadModel | None, customer: CustomerModel | None) -> "Model":
        """This with what was learnt. A lead model needs the scorecard that it was fitted beside."""
        if lead is not None and lead.odds != self.odds:
            lead = None
        names = [self.version.partition("+")[0], *(each.version for each in (lead, customer) if each is not None)]
        return replace(self, version="+".join(names), lead=lead, customer=customer)

    @property
    def currency(self) -> str:
        """The base currency."""
        return self.rates.base
