"""Recency, frequency, monetary: each in fifths of all customers, by the cut points of the last fit.

The cut points are frozen until the next fit, so that nobody moves because others bought. A number on a cut point falls
below it.
"""

from bisect import bisect_left
from dataclasses import dataclass

from services.scoring.domain.customer.days import Bought


@dataclass(frozen=True, slots=True)
class RfmCuts:
    """Four rising cut points each: days since the last purchase, days with a purchase, base minor units bought."""

    recency: tuple[float, ...]
    frequency: tuple[float, ...]
    monetary: tuple[float, ...]

    def cell(self, of: Bought, today: int) -> str:
        """Three digits of 1 to 5, the best fifth is 5: `513` bought lately, seldom, and an average sum."""
        recency = 5 - bisect_left(self.recency, max(0, today - of.last))
        frequency = 1 + bisect_left(self.frequency, of.purchases)
        return f"{recency}{frequency}{1 + bisect_left(self.monetary, of.worth)}"
