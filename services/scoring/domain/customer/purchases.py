"""How often a customer will buy again, and whether they are still one: BG/NBD and MBG/NBD in plain Python.

BG/NBD: Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2). MBG/NBD: Batislam,
Denizel, Filiztekin (2007), International Journal of Research in Marketing 24(3): a customer may also leave right after
the first purchase. The two differ by one opportunity to leave: `_chances` counts it. Fits are in `training/`.
"""

import math
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeAlias

_MOST_TERMS: Final = 100_000
_SMALL: Final = 1e-15
_LARGE: Final = 700.0  # e^700 is near the largest float
_BESIDE_ONE: Final = 1e-6  # the formula is 0/0 for a = 1, and smooth beside it
_MONTH: Final = 52 / 12  # weeks
_TINY: Final = 1e-12
_POINTS: Final = 6
_CHEBYSHEV: Final = tuple(
    (math.cos(math.pi * n / (_POINTS - 1)), (-1.0) ** n * (0.5 if n in (0, _POINTS - 1) else 1.0))
    for n in range(_POINTS)
)
_MOST_SIMULATED: Final = 10_000  # purchases in one draw


@dataclass(frozen=True, slots=True)
class History:
    """What the models count of a customer's purchases. Raises ValueError when it is impossible.

    `x`: repeat purchases (the first is not one; one a day at most); `last`: the age at the last of them; `age`: the
    age now. Ages are weeks since the first purchase.
    """

    x: int
    last: float
    age: float

    def __post_init__(self) -> None:
        if not (self.x >= 0 and 0 <= self.last <= self.age < math.inf and (self.x > 0) == (self.last > 0)):
            raise ValueError(f"no history: {self.x} repeat purchases, the last at {self.last} of {self.age} weeks")


NEW: Final = History(0, 0.0, 0.0)
"""A customer in the moment of the first purchase."""


PurchaseKind: TypeAlias = Literal["bg", "mbg"]


@dataclass(frozen=True, slots=True)
class PurchaseModel:
    """The population: how often people buy (Gamma: `r`, `alpha` weeks), how soon they leave (Beta: `a`, `b`)."""

    kind: PurchaseKind
    r: float
    alpha: float
    a: float
    b: float

    def p_alive(self, of: History) -> float:
        """The probability of another purchase, ever. BG/NBD says 1 without a repeat purchase."""
        if self.kind == "bg" and of.x == 0:
            return 1.0
        grown = (self.r + of.x) * (math.log(self.alpha + of.age) - math.log(self.alpha + of.last))
        if grown > _LARGE:
            return 0.0
        return 1.0 / (1.0 + self.a / (self.b + self._chances(of) - 1) * math.exp(grown))

    def expected(self, of: History, weeks: float) -> float:
        """The purchases expected in the next `weeks` (Fader et al., eq. 10, after Euler's transformation)."""
        return self._expected_alive(of, weeks) * self.p_alive(of)

    def expected_of_new(self, weeks: float) -> float:
        """The repeat purchases expected of a new customer in the first `weeks` (Fader et al., eq. 9)."""
        return self.expected(NEW, weeks)

    def discounted(self, of: History, months: int, monthly_discount: float) -> float:
        """The purchases expected in the next `months` of 52/12 weeks, each discounted to today from its month's end."""
        alive, total, before = self.p_alive(of), 0.0, 0.0
        for month in range(1, months + 1):
            until = self._expected_alive(of, month * _MONTH)
            total += (until - before) / (1.0 + monthly_discount) ** month
            before = until
        return alive * total

    def discounted_nearly(self, of: History, months: int, monthly_discount: float) -> float:
        """The same to a hundred-thousandth, in a fifth of the time: what is expected is smooth in log(alpha + age + t).

        It is computed at a few Chebyshev points of that, and the months lie between them (barycentric interpolation).
        """
        begin = self.alpha + of.age
        low, high = math.log(begin + _MONTH), math.log(begin + months * _MONTH)
        places = [(low + high) / 2 + (high - low) / 2 * point for point, _ in _CHEBYSHEV]
        known = [self._expected_alive(of, math.exp(place) - begin) for place in places]
        total, before = 0.0, 0.0
        for month in range(1, months + 1):
            place = math.log(begin + month * _MONTH)
            above = below = 0.0
            for at, value, (_, weight) in zip(places, known, _CHEBYSHEV, strict=True):
                if abs(place - at) < _TINY:
                    above, below = value, 1.0
                    break
                part = weight / (place - at)
                above += part * value
                below += part
            until = above / below
            total += (until - before) / (1.0 + monthly_discount) ** month
            before = until
        return self.p_alive(of) * total

    def median_wait(self, of: History) -> float:
        """The weeks after which half of those with this history who still buy have bought again (Lomax's median)."""
        return (self.alpha + of.age) * math.expm1(math.log(2.0) / (self.r + of.x))

    def draw(self, of: History, weeks: float, dice: Random) -> int:
        """One possible number of purchases in the next `weeks`, drawn from what the history leaves open."""
        if dice.random() >= self.p_alive(of):
            return 0
        rate = dice.gammavariate(self.r + of.x, 1.0 / (self.alpha + of.age))
        leaves = dice.betavariate(self.a, self.b + self._chances(of))
        count, clock = 0, dice.expovariate(rate) if rate > 0 else math.inf
        while clock <= weeks and count < _MOST_SIMULATED:
            count += 1
            if dice.random() < leaves:
                break
            clock += dice.expovariate(rate)
        return count

    def _chances(self, of: History) -> int:
        """How often the customer could have left and did not."""
        return of.x if self.kind == "bg" else of.x + 1

    def _expected_alive(self, of: History, weeks: float) -> float:
        if weeks <= 0:
            return 0.0
        a = self.a if abs(self.a - 1.0) > _BESIDE_ONE else 1.0 + _BESIDE_ONE
        whole = a + self.b + self._chances(of) - 1
        z = weeks / (self.alpha + of.age + weeks)
        first = a + self.b + (0 if self.kind == "mbg" else -1) - self.r
        left = math.exp((a - 1.0) * math.log1p(-z)) * _hypergeometric(first, a - 1.0, whole, z)
        return max(0.0, whole / (a - 1.0) * (1.0 - left))


def _hypergeometric(a: float, b: float, c: float, z: float) -> float:
    """Gauss' 2F1(a, b; c; z) by its series, for 0 <= z < 1."""
    term = total = 1.0
    for n in range(_MOST_TERMS):
        term *= (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z
        total += term
        if abs(term) <= _SMALL * abs(total):
            break
    return total
