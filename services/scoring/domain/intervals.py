"""95 % confidence intervals of shares and means. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

_Z: Final = 1.959963984540054  # two-sided 95 %
_FEW: Final = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646)  # of Student's t, by degrees of freedom


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
    """A mean with its interval by Student's t, from the sums of the values and of their squares.

    One value says nothing of how far others lie from it: its interval is without bounds.
    """
    if not of:
        return Interval(0.0, 0.0, 0.0)
    middle = total / of
    if of == 1:
        return Interval(middle, -math.inf, math.inf)
    variance = max(0.0, squares - total * middle) / (of - 1)
    spread = _student(of - 1) * math.sqrt(variance / of)
    return Interval(middle, middle - spread, middle + spread)


def _student(freedom: int) -> float:
    """Two-sided 95 % of Student's t: exact for few degrees of freedom, then by Cornish and Fisher's expansion."""
    if freedom <= len(_FEW):
        return _FEW[freedom - 1]
    z, n = _Z, freedom
    terms = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + math.fsum(term / math.pow(n, power) for power, term in enumerate(terms, 1))
