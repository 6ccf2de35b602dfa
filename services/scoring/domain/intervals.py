"""95 % confidence intervals of shares and means. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

_Z: Final = 1.959963984540054  # two-sided 95 %


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(rate: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927); without observations, 0 to 1."""
    if not count:
        return 0.0, 1.0
    whole = 1 + _Z**2 / count
    centre = (rate + _Z**2 / (2 * count)) / whole
    half = _Z * math.sqrt(rate * (1 - rate) / count + _Z**2 / (4 * count**2)) / whole
    return max(0.0, centre - half), min(1.0, centre + half)


def share(hits: int, of: int) -> Interval:
    """A share with its interval."""
    rate = hits / of if of else 0.0
    return Interval(rate, *wilson(rate, of))


def median(counts: Mapping[int, int], edges: Sequence[int]) -> float | None:
    """The median of values of which the bucket is known: it ends with its edge, the last has no end.

    Even within the bucket; None beyond the last edge, or of nothing.
    """
    left = sum(counts.values()) / 2
    if not left:
        return None
    for bucket, (low, high) in enumerate(zip((0, *edges), edges, strict=False)):
        count = counts.get(bucket, 0)
        if count >= left:
            return low + (high - low) * left / count
        left -= count
    return None


def mean(total: float, squares: float, of: int) -> Interval:
    """A mean with its interval by the standard error, from the sums of the values and of their squares."""
    if not of:
        return Interval(0.0, 0.0, 0.0)
    middle = total / of
    spread = math.sqrt(max(0.0, squares / of - middle * middle) / of) * _Z
    return Interval(middle, middle - spread, middle + spread)
