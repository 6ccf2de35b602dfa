"""Whom to contact now: by the value that is lost over the next hour for each minute of work (models.md, 3.2)."""

from services.scoring.domain.model import ResponseCurve

HORIZON_MIN = 60.0


def survival(curve: ResponseCurve, minutes: float) -> float:
    """S(t): the share of a lead's chance that is left after so many minutes; 1 at 0, falling, never below phi."""
    return curve.phi + (1 - curve.phi) * float((1 + max(0.0, minutes) / curve.tau) ** -curve.beta)


def worth(curve: ResponseCurve, at_once: float, age: float) -> float:
    """V: what is left of `at_once`, the worth of handling it in its first moment, at `age` minutes."""
    return at_once * survival(curve, age)


def loss_rate(curve: ResponseCurve, at_once: float, age: float) -> float:
    """L: what each minute of delay costs at `age` minutes, in the unit of `at_once`."""
    steepness = (1 - curve.phi) * (curve.beta / curve.tau)
    return at_once * steepness * float((1 + max(0.0, age) / curve.tau) ** -(curve.beta + 1))


def index(curve: ResponseCurve, at_once: float, age: float, handling_minutes: float) -> float:
    """I: value lost over the next hour per minute of delay and of work. The order changes with age: never store it."""
    lost = worth(curve, at_once, age) - worth(curve, at_once, age + HORIZON_MIN)
    return lost / (HORIZON_MIN * handling_minutes)
