"""What the business says a lead and a customer are worth. Minor units of the base currency, log-odds, seconds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.scoring.domain.contact.contact import HalfLives
from services.scoring.domain.customer.tiers import Tiers
from services.scoring.domain.model.sources import short_name
from shared.money import MAX_MINOR


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A source: the log-odds of conversion of its leads, and the cost of one in base minor units.

    `estimate_limit`: the most that a public estimate counts, in base minor units.
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
class Against:
    """What speaks against a lead, in log-odds of 0 or below.

    `free_mail`: an address that anybody can have for nothing. `competitor`: one at these `competitors`, by domain.
    `unsubscribed`: no to some of our mails. `no_mail`: no to all, which is also said of an address that takes none.
    """

    free_mail: float = 0.0
    competitor: float = 0.0
    competitors: frozenset[str] = frozenset()
    unsubscribed: float = 0.0
    no_mail: float = 0.0


AGAINST_NOTHING: Final = Against()


@dataclass(frozen=True, slots=True)
class Scorecard:
    """`odds` is the version of what makes the log-odds alone: a lead model is fitted beside it.

    `most_fit`, `most_engagement`: the most that these groups add or take away, in log-odds. `own_half_life`: of kinds
    of engagement that fade by one of their own, in seconds; all others by each of `common` (None: of `half_lives`).
    """

    version: str
    odds: str
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
    horizon_months: int
    monthly_discount: float
    tiers: Tiers
    referral_share: float = 0.0  # of the margin of those it referred, credited to a contact
    promoter_share: float = 0.0  # by which more a promoter is expected to buy; a detractor likewise
    detractor_share: float = 0.0
    qualified_at: int = MAX_MINOR  # P(conversion) x expected revenue from which on a lead counts as qualified
    against: Against = AGAINST_NOTHING
    most_fit: float = math.inf
    most_engagement: float = math.inf
    own_half_life: Mapping[str, float] = field(default_factory=dict)
    common: HalfLives | None = None

    def source(self, name: str | None) -> SourceModel:
        """What is known of a source (`/sources/website` is `website`)."""
        return self.sources.get(short_name(name)) or self.sources["default"]
