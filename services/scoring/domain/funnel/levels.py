"""How many came as far as each stage, from the sums of how far each came. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from services.scoring.domain.funnel.places import ADVOCATE, STAGES, Place, Sums

LEVELS: Final = (*STAGES, ADVOCATE)
BEFORE: Final[Mapping[str, str]] = {
    **dict(zip(STAGES[1:], STAGES[:-1], strict=True)), ADVOCATE: "customer",
}  # fmt: skip
"""The stage that each is a share of."""


class Level(NamedTuple):
    """Those who came so far or farther, and what they are worth, in base minor units."""

    contacts: int
    value: int


Levels: TypeAlias = Mapping[str, Level]


def levels(rows: Iterable[tuple[Place, Sums]]) -> Levels:
    """By stage, all of LEVELS."""
    contacts, value = dict.fromkeys(LEVELS, 0), dict.fromkeys(LEVELS, 0)
    for place, sums in rows:
        reached = STAGES[: STAGES.index(place.stage) + 1]
        for level in (*reached, ADVOCATE) if place.advocate else reached:
            contacts[level] += sums.contacts
            value[level] += sums.lead_value + sums.customer_value
    return {level: Level(contacts[level], value[level]) for level in LEVELS}


def summed(rows: Iterable[tuple[Place, Sums]]) -> Sums:
    """All of them as one."""
    nothing = [0] * len(Sums._fields)
    return Sums(*map(sum, zip(nothing, *(sums for _, sums in rows), strict=True)))
