"""How leads cool while they wait. No value depends on it: a change re-ranks the queue and re-values nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.scoring.domain.model.sources import short_name


@dataclass(frozen=True, slots=True)
class ResponseCurve:
    """S(t) = phi + (1-phi)(1 + t/tau)^-beta, t in minutes since the lead came."""

    phi: float
    tau: float
    beta: float


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """`curves`: of sources that have a response curve of their own. `handling_minutes`: of work, to answer one lead."""

    version: str
    response: ResponseCurve
    handling_minutes: float
    curves: Mapping[str, ResponseCurve] = field(default_factory=dict)

    def curve_of(self, source: str | None) -> str:
        """The name of the response curve by which leads of a source cool; empty: that of all others."""
        short = short_name(source)
        return short if short in self.curves else ""

    def curve(self, name: str) -> ResponseCurve:
        """The response curve of this name."""
        return self.curves.get(name, self.response)
