"""The model: every number that the business or a refit decides, ready for the rules; each part has its own version."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from services.scoring.domain.customer.population import CustomerModel
from services.scoring.domain.funnel.bottleneck import Target
from services.scoring.domain.lead.learnt import LeadModel
from services.scoring.domain.model.pricing import Pricing
from services.scoring.domain.model.queue_settings import FittedCurve, QueueSettings
from services.scoring.domain.model.scorecard import Scorecard


class Home(NamedTuple):
    """Where the business is: for contacts of whom nothing better is known. An ISO code, and a zone of the database."""

    country: str | None = None
    time_zone: str | None = None


class Learnt(NamedTuple):
    """What was learnt of the past; None until there is a fit."""

    lead: LeadModel | None = None
    customer: CustomerModel | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(each.version for each in self if each is not None)


NOWHERE: Final = Home()
NOTHING_LEARNT: Final = Learnt()


def stepped_version(version: str, step: str) -> str:
    """A version with the online step, if there is one."""
    return f"{version}~{step}" if step else version


@dataclass(frozen=True, slots=True)
class Model:
    """Parts whose versions are independent: a changed rate makes no new scorecard.

    `version` is that of all a value depends on: a contact valued by another one is due. The queue's settings,
    `home` and `targets` are not in it, nor is `step`, which names what the lead model learnt online since its fit:
    a lead valued before that step follows with its next event, or with the daily sweep. `lead_version` names both.
    """

    scorecard: Scorecard
    pricing: Pricing
    queue: QueueSettings
    learnt: Learnt = NOTHING_LEARNT
    home: Home = NOWHERE
    targets: Mapping[Target, float] = field(default_factory=dict)  # of the funnel: the share that should reach a stage
    version: str = field(init=False)
    step: str = field(init=False)

    def __post_init__(self) -> None:
        version = "+".join((self.scorecard.version, self.pricing.version, *self.learnt.versions))
        object.__setattr__(self, "version", version)
        object.__setattr__(self, "step", "" if self.learnt.lead is None else self.learnt.lead.step)

    @property
    def lead_version(self) -> str:
        """The version that a booking of a lead value names."""
        return stepped_version(self.version, self.step)

    @property
    def currency(self) -> str:
        """The base currency."""
        return self.pricing.rates.base

    def with_curves(self, fitted: Mapping[str, FittedCurve]) -> "Model":
        """This with the response curves that were fitted. No value depends on them: the version stays."""
        return replace(self, queue=self.queue.with_fitted(fitted))

    def with_learnt(self, lead: LeadModel | None, customer: CustomerModel | None) -> "Model":
        """This with what was learnt. A lead model needs the scorecard that it was fitted beside."""
        if lead is not None and lead.odds != self.scorecard.odds:
            lead = None
        return replace(self, learnt=Learnt(lead, customer))
