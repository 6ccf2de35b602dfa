"""A customer's tier: by thresholds on the customer value, with a margin so that nobody flickers at a border."""

from collections.abc import Sequence
from typing import Final, TypeAlias

Tiers: TypeAlias = tuple[tuple[str, int], ...]
"""Name and threshold in base minor units, the highest first."""

NONE: Final = ""
_DOWN: Final = 0.9  # of the threshold: a tier is reached at all of it, and lost below this share


def tier(value: int, before: str, tiers: Sequence[tuple[str, int]]) -> str:
    """The tier at this value, for somebody who had `before`; NONE below all thresholds."""
    for name, threshold in tiers:
        if value >= threshold or (name == before and value >= _DOWN * threshold):
            return name
    return NONE
