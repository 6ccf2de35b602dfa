"""Where in the funnel a contact stands, and what moves in the sums when contacts change. Pure.

The sums are those of all contacts that there are: whoever changes one takes away what it was and adds what it is, in
the same transaction. So a recount of everybody comes to the same, whatever happened in between.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from services.scoring.domain.contact.contact import ContactState

Stage: TypeAlias = Literal["visitor", "lead", "engaged", "qualified", "customer", "repeat"]
Dimension: TypeAlias = Literal["source", "campaign"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
ADVOCATE: Final = "advocate"
_HOUR_MIN: Final = 60
_DAY_MIN: Final = 1440
# A bucket ends with its edge; one more has no end.
EDGES_MIN: Final = (
    *(1, 10, 30), *(each * _HOUR_MIN for each in (1, 6)),
    *(each * _DAY_MIN for each in (1, 3, 7, 14, 30, 60, 90, 180, 365)),
)  # fmt: skip
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_S: Final = 86_400
_THURSDAY: Final = 3  # the first of January 1970
_NOTHING: Final = (0,) * 9


class Place(NamedTuple):
    """Contacts first seen in one week (its Monday, UTC) by one source or campaign that have come equally far."""

    dimension: Dimension
    week: date
    name: str
    stage: Stage
    advocate: bool


class Sums(NamedTuple):
    """What those of a place come to. Money is base minor units.

    `direct`: those who bought without having asked before, `asked`: all who asked first. `orders` are those of which
    something stayed, `days` those on which something was bought; `spent` on all of them, `first_spent` on the first.
    """

    contacts: int
    direct: int
    asked: int
    lead_value: int
    customer_value: int
    orders: int
    days: int
    spent: int
    first_spent: int


class Step(NamedTuple):
    """Contacts of a source and week who came to a stage, and took about as long from the one before it."""

    week: date
    source: str
    stage: str
    bucket: int


class Moves(NamedTuple):
    """What is to be added to the sums; nothing that is 0."""

    sums: Mapping[Place, Sums]
    steps: Mapping[Step, int]


class Reached(NamedTuple):
    """When a contact came to each stage, in seconds since 1970: a later stage passes by those before it."""

    visitor: float
    lead: float | None
    engaged: float | None
    qualified: float | None
    customer: float | None
    repeat: float | None
    advocate: float | None


def moved(before: Iterable[ContactState], after: Iterable[ContactState]) -> Moves:
    """What changes when contacts that were as `before` are as `after`; who is gone, or merged away, is not in it."""
    sums: dict[Place, tuple[int, ...]] = {}
    steps: dict[Step, int] = {}
    for states, sign in ((before, -1), (after, 1)):
        for state in states:
            _add(state, sign, sums, steps)
    return Moves(
        {place: Sums(*each) for place, each in sums.items() if any(each)},
        {step: count for step, count in steps.items() if count},
    )


def reached(state: ContactState) -> Reached | None:
    """When it came how far; None for somebody of whom no person's doing is known, or none yet."""
    journey = state.journey
    if journey is None or journey.seen is None:
        return None
    bought = journey.bought[0] if state.paid_orders > 0 and journey.bought else None
    lead = _first(journey.asked, bought)
    engaged = _after(lead, _first(journey.did, state.qualified, bought))
    qualified = _after(engaged, _first(state.qualified, bought))
    again = journey.bought[1] if state.paid_orders > 1 and len(journey.bought) > 1 else None
    return Reached(journey.seen.at, lead, engaged, qualified, bought, again, _after(bought, journey.advocated))


def _add(state: ContactState, sign: int, sums: dict[Place, tuple[int, ...]], steps: dict[Step, int]) -> None:
    way = reached(state)
    if way is None or state.journey is None or state.journey.seen is None:
        return
    week, source = _week(int(way.visitor // _DAY_S)), state.journey.seen.name
    stage, advocate = _furthest(way), way.advocate is not None
    mine = _sums(state, way)
    if sign < 0:
        mine = tuple(-each for each in mine)
    places = [Place("source", week, source, stage, advocate)]
    if state.journey.campaign is not None:
        places.append(Place("campaign", week, state.journey.campaign.name, stage, advocate))
    for place in places:
        so_far = sums.get(place, _NOTHING)
        sums[place] = tuple(a + b for a, b in zip(so_far, mine, strict=True))
    for step in _steps(way, week, source):
        steps[step] = steps.get(step, 0) + sign


def _sums(state: ContactState, way: Reached) -> tuple[int, ...]:
    journey, bought = state.journey, way.customer
    asked = journey is not None and journey.asked is not None and (bought is None or journey.asked <= bought)
    if bought is None:
        return (1, 0, asked, state.lead, state.customer, 0, 0, 0, 0)
    earlier, days = state.earlier, state.days
    number, spent, first = len(days), sum(days.values()), 0
    if earlier is not None:
        number, spent, first = number + earlier.number, spent + earlier.worth, earlier.first_worth
    elif days:
        first = days[min(days)]
    return (1, not asked, asked, state.lead, state.customer, state.paid_orders, number, spent, first)


def _furthest(way: Reached) -> Stage:
    for stage in range(len(STAGES) - 1, 0, -1):
        if way[stage] is not None:
            return STAGES[stage]
    return STAGES[0]


def _steps(way: Reached, week: date, source: str) -> Iterable[Step]:
    since: float = way.visitor
    for place in range(1, len(STAGES)):
        at = way[place]
        if at is None:
            break
        yield Step(week, source, STAGES[place], _bucket(at - since))
        since = at
    if way.advocate is not None and way.customer is not None:
        yield Step(week, source, ADVOCATE, _bucket(way.advocate - way.customer))


def _bucket(seconds: float) -> int:
    return bisect_left(EDGES_MIN, max(0.0, seconds) / 60)


@lru_cache(maxsize=1024)
def _week(day: int) -> date:
    return date.fromordinal(_EPOCH_DAY + day - (day + _THURSDAY) % 7)


def _first(*times: float | None) -> float | None:
    return min((each for each in times if each is not None), default=None)


def _after(a: float | None, b: float | None) -> float | None:
    """The later of both, if both are."""
    return None if a is None or b is None else max(a, b)
