"""A lead as levels, one for each feature: the terms of the additive log-odds (models.md, 2.1).

A number falls into bins with frozen edges; a missing value is a level of its own; an unseen level adds nothing.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, TypeAlias

Value: TypeAlias = float | str | None
MISSING: Final = "missing"
DID: Final = "did:"  # begins the name of a column that counts a kind of engagement
FINE: Final = " (fine)"  # suffix of a column's name: its finer bins, beside the coarse ones


@dataclass(frozen=True, slots=True)
class Bins:
    """A number's levels. `edges` rise; a value on an edge falls above it."""

    edges: tuple[float, ...]

    def level(self, value: Value) -> str:
        """The level of a value; text in place of a number counts as missing."""
        if not isinstance(value, float) or value != value:  # noqa: PLR0124 - NaN is unequal to itself
            return MISSING
        return str(bisect_right(self.edges, value))

    def says(self, level: str) -> str:
        """The level in words: "below 3", "3 to 7", "7 and more"."""
        if level == MISSING:
            return MISSING
        place = int(level)
        if not self.edges:
            return "any"
        if place == 0:
            return f"below {self.edges[0]:g}"
        if place == len(self.edges):
            return f"{self.edges[-1]:g} and more"
        return f"{self.edges[place - 1]:g} to {self.edges[place]:g}"


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of a feature of words; other words are unseen."""

    seen: frozenset[str]

    def level(self, value: Value) -> str:
        """The level of a value."""
        return MISSING if value is None else str(value)

    def says(self, level: str) -> str:
        """The level in words."""
        return level


Feature: TypeAlias = Bins | Levels


@dataclass(frozen=True, slots=True)
class Pair:
    """Two features that say more together than separately, both in coarse levels."""

    first: str
    second: str
    coarse: tuple[Feature, Feature]

    @property
    def name(self) -> str:
        return f"{self.first}×{self.second}"  # noqa: RUF001 - a times sign


def column_of(feature: str) -> str:
    """The column that a feature is read from."""
    return feature.removesuffix(FINE)
