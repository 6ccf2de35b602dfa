"""Whom to contact now: by the value lost over the next hour per minute of work (models.md, 3.2).

The order changes with age, so a position cannot be stored. What can be is the worth of handling a lead at once, in
steps of 5 %: within a step the newest always goes first, so the top of the queue is among the newest of each step.
"""

import math
from typing import Final

from services.scoring.domain.model.queue_settings import ResponseCurve

HORIZON_MIN: Final = 60.0
LONGEST_MIN: Final = 30 * 24 * 60  # that somebody stays in the queue
STEP: Final = 1.05
_LOG_STEP: Final = math.log(STEP)
_FEW: Final = 50  # leads of a day; fewer are never an overload


def step(at_once: float) -> int:
    """The step of the worth of handling a lead at once, in base minor units: 0 is 1 or less, each next 5 % more."""
    return math.floor(math.log(max(1.0, at_once)) / _LOG_STEP)


def rank(curve: ResponseCurve, on_step: int, age: float, *, overload: bool) -> float:
    """The order of the queue: what a lead on this step loses over the next hour.

    Under overload, what is left of its worth: most leads will never be reached.
    The SQL in store/queue.py says the same.
    """
    at_once = STEP**on_step
    left = worth(curve, at_once, age)
    return left if overload else left - worth(curve, at_once, age + HORIZON_MIN)


def overloaded(came: int, unreached: int) -> bool:
    """Whether more than half of the day's leads (without the last hour) have not been reached."""
    return came >= _FEW and 2 * unreached > came


def survival(curve: ResponseCurve, minutes: float) -> float:
    """S(t): the share of a lead's chance that is left after so many minutes; 1 at 0, falling, never below phi."""
    return curve.phi + (1 - curve.phi) * float((1 + max(0.0, minutes) / curve.tau) ** -curve.beta)


def worth(curve: ResponseCurve, at_once: float, age: float) -> float:
    """V: what is left, at `age` minutes, of `at_once`, the worth of handling it in its first moment."""
    return at_once * survival(curve, age)


def loss_rate(curve: ResponseCurve, at_once: float, age: float) -> float:
    """L: what each minute of delay costs at `age` minutes, in the unit of `at_once`."""
    steepness = (1 - curve.phi) * (curve.beta / curve.tau)
    return at_once * steepness * float((1 + max(0.0, age) / curve.tau) ** -(curve.beta + 1))


def index(curve: ResponseCurve, at_once: float, age: float, handling_minutes: float) -> float:
    """I: value lost over the next hour per minute of delay and of work. The order changes with age: never store it."""
    lost = worth(curve, at_once, age) - worth(curve, at_once, age + HORIZON_MIN)
    return lost / (HORIZON_MIN * handling_minutes)
