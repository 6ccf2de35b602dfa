"""What a customer spends at a time: the Gamma-Gamma model, for one customer in plain Python.

Fader, Hardie (2013), "The Gamma-Gamma Model of Monetary Value"; Fader, Hardie, Lee (2005), "RFM and CLV", JMR 42(4).
It takes value and frequency to be independent: a fit stores their correlation. Fits are in `training/`.
"""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class SpendModel:
    """The population: a purchase is Gamma(`p`, nu), nu differs between customers by Gamma(`q`, `v`). `q` > 1."""

    p: float
    q: float
    v: float

    @property
    def mean(self) -> float:
        """The mean value of a purchase over all customers, in the unit of `v`."""
        return self.p * self.v / (self.q - 1.0)

    def expected(self, x: int, mean: float) -> float:
        """The mean value of future purchases, after `x` repeat purchases worth `mean` each (eq. 5)."""
        if x == 0 or mean <= 0:
            return self.mean
        return self.p * (self.v + x * mean) / (self.p * x + self.q - 1.0)

    def draw(self, x: int, mean: float, purchases: int, dice: Random) -> float:
        """One draw of the total value of so many future purchases."""
        if purchases == 0:
            return 0.0
        seen = x if mean > 0 else 0
        rate = dice.gammavariate(self.q + self.p * seen, 1.0 / (self.v + seen * mean))
        return dice.gammavariate(self.p * purchases, 1.0 / rate)
