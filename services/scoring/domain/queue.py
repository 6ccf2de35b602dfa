"""Whom to contact now: by the value that is lost over the next hour for each minute of work (models.md, 3.2).

The order changes with age, so no place in it can be stored. What can be is how much it is worth to handle somebody at
once, in steps of 5 %: on one step the newest goes first for ever, so the top of the queue is among the newest of each.
"""

import math
from typing import Final

from services.scoring.domain.model.queue_settings import ResponseCurve

HORIZON_MIN: Final = 60.0
STEP: Final = 1.05
_LOG_STEP: Final = math.log(STEP)
_FEW: Final = 50  # leads of a day; of fewer nobody can say that there are too many


def step(at_once: float) -> int:
    """The step of what handling somebody at once is worth, in base minor units: 0 is 1 or less, each next 5 % more."""
    return math.floor(math.log(max(1.0, at_once)) / _LOG_STEP)


def rank(curve: ResponseCurve, on_step: int, age: float, *, overload: bool) -> float:
    """By what the queue is ordered: what somebody on this step loses over the next hour.

    Under overload it is what is at stake at all: most will never be reached, so what is left of their worth counts.
    The SQL in store/queue.py says the same.
    """
    at_once = STEP**on_step
    left = worth(curve, at_once, age)
    return left if overload else left - worth(curve, at_once, age + HORIZON_MIN)


def overloaded(came: int, unreached: int) -> bool:
    """Whether more than half of the leads that came (over a day, the last hour apart) have not been reached."""
    return came >= _FEW and 2 * unreached > came


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
