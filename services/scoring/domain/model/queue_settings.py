"""How leads cool while they wait. No value depends on it: a change re-ranks the queue and re-values nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from services.scoring.domain.model.sources import short_name

_FEWEST_BOUGHT: Final = 30
_WIDEST: Final = 1.0  # of the interval; without data it is 1.8
OF_CUSTOMERS: Final = "#customers"  # the curve of customers at risk; no source has this name


@dataclass(frozen=True, slots=True)
class ResponseCurve:
    """S(t) = phi + (1-phi)(1 + t/tau)^-beta, t in minutes since the lead came."""

    phi: float
    tau: float
    beta: float

    def steeper(self, steepness: float) -> "ResponseCurve":
        """The curve as many times as steep: 1 is this one, 0 would be flat. Of small shares left, S to that power."""
        return ResponseCurve(self.phi**steepness if self.phi else 0.0, self.tau, self.beta * steepness)


@dataclass(frozen=True, slots=True)
class FittedCurve:
    """How much steeper than the curve that is `set` one's own leads cool, with its 95 % interval.

    Learnt from `answers` to leads of whom `bought` bought.
    """

    set: ResponseCurve
    steepness: float
    low: float
    high: float
    answers: int
    bought: int
    made_at: datetime

    @property
    def enough(self) -> bool:
        """Whether there was enough to learn from: the data say more than was assumed beforehand."""
        return self.bought >= _FEWEST_BOUGHT and self.high - self.low <= _WIDEST


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
    leads are answered does not only mirror this order. `learns`: whether a curve fitted to one's own leads takes the
    place of the one that is set, once there is enough. `fitted`: by the curve's name, empty for that of all others.
    """

    version: str
    response: ResponseCurve
    handling_minutes: float
    curves: Mapping[str, ResponseCurve] = field(default_factory=dict)
    customers: AtRisk = NOBODY_AT_RISK
    at_random: float = 0.0
    learns: bool = True
    fitted: Mapping[str, FittedCurve] = field(default_factory=dict)

    def with_fitted(self, fitted: Mapping[str, FittedCurve]) -> "QueueSettings":
        """These settings, with what was fitted beside the curves that are set. Fits beside others are set aside."""
        beside = {name: each for name, each in fitted.items() if each.set == self._set(name)}
        used = {name: each.set.steeper(each.steepness) for name, each in beside.items() if self.takes(each)}
        own = {name: used.get(name, curve) for name, curve in self.curves.items()}
        return replace(self, response=used.get("", self.response), curves=own, fitted=beside)

    def takes(self, fitted: FittedCurve) -> bool:
        """Whether a fit takes the place of the curve that it was made beside."""
        return self.learns and fitted.enough

    def _set(self, name: str) -> ResponseCurve | None:
        return self.curves.get(name) if name else self.response

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
