"""What a contact may buy next: by what buyers of the same items bought, shrunk towards what everybody buys. Pure.

The chance of an item given another is (buyers of both + m x share of all who buy it) / (buyers of the other + m): a few
buyers prove nothing, many prevail.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.scoring.domain.interests import Interest, topic_of

_PRIOR: Final = 10.0  # m, in buyers
_MOST: Final = 20
_LATELY: Final = 0.5  # strength of an interest that is recent

Pairs = Mapping[str, Mapping[str, int]]
"""Of each item, how many of its buyers have also bought another one."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An item, the chance that somebody like the contact buys it, and the reason."""

    item: str
    chance: float
    reason: str


def recommend(
    has: Collection[str], buyers: Mapping[str, int], everybody: int, pairs: Pairs, interests: Sequence[Interest]
) -> list[Recommendation]:
    """The best first: by chance, raised by the interest in the item itself. `buyers` of each item, of `everybody`."""
    strength = {each.topic: each.strength for each in interests}
    found: list[tuple[float, Recommendation]] = []
    for item, count in buyers.items():
        if item in has or not everybody:
            continue
        share = count / everybody
        chance, reason = share, f"bought by {count} of {everybody} customers"
        for other in sorted(has):
            both = pairs.get(other, {}).get(item, 0)
            all_of = max(both, buyers.get(other, 0))
            beside = (both + _PRIOR * share) / (all_of + _PRIOR)
            if both and beside > chance:
                chance = beside
                reason = f"{both} of {all_of} who bought {other} bought it too; of all customers {share:.1%} did"
        looked = strength.get(topic_of(item), 0.0)
        if looked >= _LATELY:
            reason = f"it looked at it lately; {reason}"
        found.append((chance * (1.0 + looked), Recommendation(item, min(1.0, chance), reason)))
    found.sort(key=lambda each: (-each[0], each[1].item))
    return [each for _, each in found[:_MOST]]
