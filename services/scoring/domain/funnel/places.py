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
from services.scoring.domain.funnel.segments import Cell, CellSums, cell_of
from shared.durations import DAY_S

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
_THURSDAY: Final = 3  # the first of January 1970


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
    `cost` is what was recorded for them, `recorded` those of `asked` of whom that is known.
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
    recorded: int
    cost: int


_LEAD: Final = Sums._fields.index("lead_value")
_CUSTOMER: Final = Sums._fields.index("customer_value")


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
    cells: Mapping[Cell, CellSums]


class Reached(NamedTuple):
    """When a contact came to each stage, in seconds since 1970: a later stage passes by those before it."""

    visitor: float
    lead: float | None
    engaged: float | None
    qualified: float | None
    customer: float | None
    repeat: float | None
    advocate: float | None


def moved(changes: Iterable[tuple[ContactState | None, ContactState | None]]) -> Moves:
    """What changes when each contact that was as the first is as the second; None: not there, or merged away."""
    sums: dict[Place, list[int]] = {}
    steps: dict[Step, int] = {}
    cells: dict[Cell, list[int]] = {}
    for before, after in changes:
        _count(before, -1, cells)
        _count(after, 1, cells)
        if before is not None and after is not None and _stands_where(before, after):
            _worth_more(before, after, sums)
            continue
        if before is not None:
            _add(before, -1, sums, steps)
        if after is not None:
            _add(after, 1, sums, steps)
    return Moves(
        {place: Sums(*each) for place, each in sums.items() if any(each)},
        {step: count for step, count in steps.items() if count},
        {cell: CellSums(*each) for cell, each in cells.items() if any(each)},
    )


def _count(state: ContactState | None, sign: int, cells: dict[Cell, list[int]]) -> None:
    if state is not None and (cell := cell_of(state)) is not None:
        mine = cells.setdefault(cell, [0, 0, 0])
        mine[0] += sign
        mine[1] += sign * state.lead
        mine[2] += sign * state.customer


def _stands_where(before: ContactState, after: ContactState) -> bool:
    """Whether nothing but the values can have changed: most events find it so."""
    return (
        before.journey is after.journey
        and before.qualified == after.qualified
        and before.paid_orders == after.paid_orders
        and before.days is after.days
        and before.earlier is after.earlier
        and before.cost == after.cost
    )


def _worth_more(before: ContactState, after: ContactState, sums: dict[Place, list[int]]) -> None:
    lead, customer = after.lead - before.lead, after.customer - before.customer
    if (lead or customer) and (way := reached(after)) is not None:
        for place in _places(after, way):
            mine = sums.setdefault(place, [0] * len(Sums._fields))
            mine[_LEAD] += lead
            mine[_CUSTOMER] += customer


def reached(state: ContactState) -> Reached | None:
    """When it came how far; None for somebody of whom no person's doing is known, or none yet."""
    journey = state.journey
    if journey is None or journey.seen is None:
        return None
    bought = journey.bought[0] if state.paid_orders > 0 and journey.bought else None
    lead = _first(journey.asked, bought)
    worth_it = _first(state.qualified, bought)
    engaged = _after(lead, _first(journey.did, worth_it))
    qualified = _after(engaged, worth_it)
    again = journey.bought[1] if state.paid_orders > 1 and len(journey.bought) > 1 else None
    return Reached(journey.seen.at, lead, engaged, qualified, bought, again, _after(bought, journey.advocated))


def _add(state: ContactState, sign: int, sums: dict[Place, list[int]], steps: dict[Step, int]) -> None:
    way = reached(state)
    if way is None:
        return
    more, places = _sums(state, way), _places(state, way)
    for place in places:
        mine = sums.setdefault(place, [0] * len(more))
        for column, each in enumerate(more):
            if each:
                mine[column] += sign * each
    for step in _steps(way, places[0].week, places[0].name):
        steps[step] = steps.get(step, 0) + sign


def _places(state: ContactState, way: Reached) -> list[Place]:
    journey = state.journey
    assert journey is not None, "or it has reached nothing"
    assert journey.seen is not None, "or it has reached nothing"
    week, stage, advocate = _week(int(way.visitor // DAY_S)), _furthest(way), way.advocate is not None
    places = [Place("source", week, journey.seen.name, stage, advocate)]
    if journey.campaign is not None:
        places.append(Place("campaign", week, journey.campaign.name, stage, advocate))
    return places


def _sums(state: ContactState, way: Reached) -> tuple[int, ...]:
    journey, bought = state.journey, way.customer
    asked = journey is not None and journey.asked is not None and (bought is None or journey.asked <= bought)
    cost = (asked and state.cost is not None, state.cost or 0)
    if bought is None:
        return (1, 0, asked, state.lead, state.customer, 0, 0, 0, 0, *cost)
    earlier, days = state.earlier, state.days
    number, spent, first = len(days), sum(days.values()), 0
    if earlier is not None:
        number, spent, first = number + earlier.number, spent + earlier.worth, earlier.first_worth
    elif days:
        first = days[min(days)]
    return (1, not asked, asked, state.lead, state.customer, state.paid_orders, number, spent, first, *cost)


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


def _first(a: float | None, b: float | None) -> float | None:
    """The earlier of both, either of which may be unknown."""
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)


def _after(a: float | None, b: float | None) -> float | None:
    """The later of both, if both are."""
    return None if a is None or b is None else max(a, b)
