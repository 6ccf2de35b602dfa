"""How leads cool while they wait. No value depends on it: a change re-ranks the queue and re-values nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.scoring.domain.model.sources import short_name

OF_CUSTOMERS: Final = "#customers"  # the curve of customers at risk; no source has this name


@dataclass(frozen=True, slots=True)
class ResponseCurve:
    """S(t) = phi + (1-phi)(1 + t/tau)^-beta, t in minutes since the lead came."""

    phi: float
    tau: float
    beta: float


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Customers whose next purchase is overdue. `saved`: the share of what is to come that a word in time keeps.

    0: they are not in the queue. `curve`: how that fades, from the day on which the purchase was due.
    """

    saved: float
    curve: ResponseCurve


NOBODY_AT_RISK: Final = AtRisk(0.0, ResponseCurve(0.0, 43_200.0, 1.0))


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """`curves`: of sources that have a response curve of their own. `handling_minutes`: of work, to answer one.

    `at_random`: the share of those who ask for the next one that get anybody, so that what is learnt from how soon
    leads are answered does not only mirror this order.
    """

    version: str
    response: ResponseCurve
    handling_minutes: float
    curves: Mapping[str, ResponseCurve] = field(default_factory=dict)
    customers: AtRisk = NOBODY_AT_RISK
    at_random: float = 0.0

    @property
    def own_curves(self) -> Mapping[str, ResponseCurve]:
        """Every curve by its name, but that of all others."""
        return {**self.curves, OF_CUSTOMERS: self.customers.curve}

    def curve_of(self, source: str | None) -> str:
        """The name of the response curve by which leads of a source cool; empty: that of all others."""
        short = short_name(source)
        return short if short in self.curves else ""

    def curve(self, name: str) -> ResponseCurve:
        """The response curve of this name."""
        return self.customers.curve if name == OF_CUSTOMERS else self.curves.get(name, self.response)
