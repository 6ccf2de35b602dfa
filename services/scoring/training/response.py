"""How one's own leads cool, learnt from how soon they were answered and what became of them.

One number is learnt: how many times as steep as the curve that is set. The logarithm of what is left is one more
feature of the log-odds, whose weight is 1 beforehand with a standard deviation of 0.5. Steeper and flatter curves are
weighed by what they say of the outcomes, so the interval is that of the posterior and not of an approximation.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from services.scoring.domain.model.queue_settings import FittedCurve, QueueSettings, ResponseCurve
from services.scoring.training.leads.dataset import Answered

Numbers = NDArray[np.float64]

_MOST: Final = 20_000  # answers: the newest
_STEEPNESS: Final = np.linspace(0.02, 4.0, 200)
_PRIOR: Final = (1.0, 0.5)  # mean and standard deviation of the steepness
_LEVEL_SD: Final = 2.0  # of how far all leads together are from what the scorecard says, in log-odds
_STEPS: Final = 30  # of Newton's method


def fit_curves(
    answered: Mapping[str, Sequence[Answered]], settings: QueueSettings, now: datetime
) -> dict[str, FittedCurve]:
    """The curves of those sources that have their own, and of all others (an empty name), where any lead bought.

    `settings`: without what was fitted before. The newest answers come last.
    """
    return {
        name: fit_curve(settings.curve(name), some[-_MOST:], now)
        for name, some in answered.items()
        if any(each.bought for each in some)
    }


def fit_curve(curve: ResponseCurve, answered: Sequence[Answered], now: datetime) -> FittedCurve:
    """How steep one curve is: the mean of the posterior, and the middle 95 % of it."""
    minutes = np.array([each.minutes for each in answered])
    odds = np.array([each.odds for each in answered])
    bought = np.array([each.bought for each in answered], dtype=np.float64)
    heights = np.array([_height(odds + _left(curve.steeper(float(each)), minutes), bought) for each in _STEEPNESS])
    heights -= ((_STEEPNESS - _PRIOR[0]) / _PRIOR[1]) ** 2 / 2
    weights = np.exp(heights - heights.max())
    weights /= weights.sum()
    low, high = (float(_STEEPNESS[np.searchsorted(np.cumsum(weights), share)]) for share in (0.025, 0.975))
    mean = min(high, max(low, float(weights @ _STEEPNESS)))
    return FittedCurve(curve, mean, low, high, len(answered), int(bought.sum()), now)


def _left(curve: ResponseCurve, minutes: Numbers) -> Numbers:
    """The logarithm of S, as `survival` of domain/queue.py."""
    left: Numbers = np.log(curve.phi + (1 - curve.phi) * (1 + minutes / curve.tau) ** -curve.beta)
    return left


def _height(odds: Numbers, bought: Numbers) -> float:
    """Log of the likelihood with the level of all leads integrated out (Laplace)."""
    level = 0.0
    curvature = 1.0
    for _ in range(_STEPS):
        chance = expit(odds + level)
        curvature = float((chance * (1 - chance)).sum()) + _LEVEL_SD**-2
        step = (float((bought - chance).sum()) - level / _LEVEL_SD**2) / curvature
        level += max(-2.0, min(2.0, step))
        if abs(step) < 1e-8:  # noqa: PLR2004 - near enough
            break
    shifted = odds + level
    likelihood = float((bought * shifted - np.logaddexp(0.0, shifted)).sum())
    return likelihood - (level / _LEVEL_SD) ** 2 / 2 - float(np.log(curvature)) / 2
