"""What `scoring.yaml` says of how leads cool: the response curves of the queue."""

from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import Field

from services.scoring.config_types import Positive
from services.scoring.domain.model.queue_settings import NOBODY_AT_RISK, AtRisk, ResponseCurve
from shared.config import ConfigModel

# The published figures: what is left of qualifying (steep), of converting (flat), and the geometric mean of the two.
_CURVES: Final = {
    "default": ResponseCurve(0.019, 4.83, 0.876),
    "qualification": ResponseCurve(0.0024, 6.24, 1.466),
    "conversion": ResponseCurve(0.0, 0.5, 0.169),
}


class _Curve(ConfigModel):
    preset: Literal["default", "qualification", "conversion"] = "default"
    phi: Annotated[float | None, Field(ge=0, lt=1)] = None
    tau: Positive | None = None
    beta: Positive | None = None


class _OfCustomers(ConfigModel):
    saved: Annotated[float, Field(ge=0, le=1)] = 0.1
    phi: Annotated[float, Field(ge=0, lt=1)] = NOBODY_AT_RISK.curve.phi
    tau: Positive = NOBODY_AT_RISK.curve.tau
    beta: Positive = NOBODY_AT_RISK.curve.beta


class Response(_Curve):
    """How leads cool, and customers who are overdue."""

    customers: _OfCustomers = _OfCustomers()
    at_random: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    learn: bool = True
    sources: Annotated[dict[str, _Curve], Field(max_length=20)] = Field(default_factory=dict)


def curve(raw: _Curve) -> ResponseCurve:
    """The curve of a preset, but for what is said of it."""
    own = {name: value for name in ("phi", "tau", "beta") if (value := getattr(raw, name)) is not None}
    return replace(_CURVES[raw.preset], **own)


def at_risk(raw: _OfCustomers) -> AtRisk:
    """What is assumed of customers whose purchase is overdue."""
    return AtRisk(raw.saved, ResponseCurve(raw.phi, raw.tau, raw.beta))
