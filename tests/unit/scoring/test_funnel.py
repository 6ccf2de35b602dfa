"""The funnel: its sums are a recount of everybody, whatever happened, and the bottleneck is where most is lost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.consume.batch import Batch
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.funnel.bottleneck import TARGETS, Judged, Where, bottleneck
from services.scoring.domain.funnel.journey import SET_OUT, Journey, joined, told
from services.scoring.domain.funnel.levels import LEVELS, levels
from services.scoring.domain.funnel.places import EDGES_MIN, STAGES, Moves, Place, Stage, Step, Sums, moved, reached
from services.scoring.domain.funnel.segments import MEANS, Cell, CellSums, segment
from services.scoring.domain.identity.parting import part
from shared.events.envelope import Decoded
from shared.events.types import Campaign
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    Told,
    a_contact,
    a_feedback,
    a_lead,
    a_purchase,
    a_referral,
    a_refund,
    a_touch,
    after,
    an_engagement,
    an_identification,
    minutes,
)
from tests.unit.scoring.test_batch import histories
from tests.unit.scoring.test_revalue import refolded

DAY = timedelta(days=1)
MONDAY = date(2026, 3, 2)


@dataclass
class Rollup:
    """What the table holds."""

    sums: dict[Place, tuple[int, ...]] = field(default_factory=dict)
    steps: Counter[Step] = field(default_factory=Counter)
    cells: dict[Cell, tuple[int, ...]] = field(default_factory=dict)

    def add(self, moves: Moves) -> None:
        for place, more in moves.sums.items():
            so_far = self.sums.get(place, (0,) * len(more))
            self.sums[place] = tuple(a + b for a, b in zip(so_far, more, strict=True))
        for cell, mine in moves.cells.items():
            self.cells[cell] = tuple(a + b for a, b in zip(self.cells.get(cell, (0, 0, 0)), mine, strict=True))
        self.steps.update(moves.steps)

    def is_of(self, states: Sequence[ContactState]) -> bool:
        whole = counted(states)
        mine = Moves(
            {place: Sums(*each) for place, each in self.sums.items() if any(each)},
            {step: count for step, count in self.steps.items() if count},
            {cell: CellSums(*each) for cell, each in self.cells.items() if any(each)},
        )
        return mine == whole


def counted(states: Sequence[ContactState]) -> Moves:
    """All of them, counted one by one."""
    return moved((None, state) for state in states)


@given(histories(), st.integers(1, 15))
def test_the_sums_are_a_recount_of_everybody_whoever_turns_out_to_be_whom(history: list[Decoded], at_once: int) -> None:
    rollup, batch = Rollup(), Batch(MODEL, NOW, {}, {}, uuid4)
    for n, decoded in enumerate(history):
        if n % at_once == 0:
            rollup.add(batch.moves())
            assert rollup.is_of(list(batch.states.values()))
            batch = Batch(MODEL, NOW, batch.states, batch.keys, uuid4, orders=batch.orders)
        batch.fold(decoded)
    rollup.add(batch.moves())
    assert rollup.is_of(list(batch.states.values()))
    everybody = list(batch.states.values())
    others = [msgspec.structs.replace(each, lead=each.lead + 7, qualified=1e9) for each in everybody]
    rollup.add(moved(zip(everybody, others, strict=True)))  # valued anew, or swept
    assert rollup.is_of(others)
    rollup.add(moved((each, None) for each in others[:1]))  # erased
    assert rollup.is_of(others[1:])


def test_two_who_are_parted_are_counted_as_two_again() -> None:
    events = [a_lead(), a_lead(user_id="b", event="b"), an_identification(email="ada@example.com", user_id="b")]
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    alone = [batch.fold(each).state for each in events[:2]][1]
    batch.fold(events[2])
    rollup = Rollup()
    rollup.add(batch.moves())
    (one,) = batch.states.values()
    assert len(counted([one]).sums) == 1
    loser, survivor, _ = part(alone, one, events, {events[1].event.id}, {"user:/sources/website:b"}, MODEL)
    rollup.add(moved([(one, survivor.state), (None, loser.state)]))
    assert rollup.is_of([loser.state, survivor.state])
    assert sum(sums.contacts for sums in counted([loser.state, survivor.state]).sums.values()) == 2


def _doings() -> st.SearchStrategy[Decoded]:
    common = {"at": st.integers(0, 60 * 24 * 5).map(lambda minute: NOW + minutes(minute)), "event": st.uuids()}
    campaign = st.sampled_from([None, Campaign(name=" Spring "), Campaign(source="google"), Campaign(medium="cpc")])
    return st.one_of(
        st.builds(a_lead, campaign=campaign, source=st.sampled_from(["/sources/website", "/sources/shop"]), **common),
        st.builds(
            an_engagement, kind=st.sampled_from(["page_viewed", "email_clicked", "email_opened"]), campaign=campaign,
            human_likelihood=st.sampled_from([0.1, 1.0]), **common,
        ),
        st.builds(a_purchase, order_id=st.sampled_from("abc"), amount=st.sampled_from(["0.00", "9.00"]), **common),
        st.builds(a_refund, order_id=st.sampled_from("abc"), amount=st.just("9.00"), **common),
        st.builds(a_touch, outcome=st.sampled_from(["attempted", "reached"]), **common),
        st.builds(a_referral, **common),
        st.builds(a_feedback, score=st.sampled_from([3.0, 9.0]), **common),
    )  # fmt: skip


def _lists() -> st.SearchStrategy[list[Decoded]]:
    return st.lists(_doings(), max_size=10)


def _journey(events: Sequence[Decoded], journey: Journey = SET_OUT) -> Journey:
    for event, data in events:
        journey = told(journey, data, event.time.timestamp(), event.source.rpartition("/")[2])
    return journey


@given(_lists(), _lists(), st.randoms(use_true_random=False))
def test_no_order_and_no_merge_makes_another_journey(a: list[Decoded], b: list[Decoded], dice: Any) -> None:
    whole = _journey([*a, *b])
    assert _journey(dice.sample([*a, *b], len(a) + len(b))) == whole
    assert joined(_journey(a), _journey(b)) == joined(_journey(b), _journey(a)) == whole
    assert _journey([*a, *b], whole) is whole, "told twice it is what it was"


@given(_lists())
def test_whoever_comes_to_a_stage_has_passed_all_before_it(events: list[Decoded]) -> None:
    state = after(a_contact(), *events).state
    way = reached(state)
    if way is None:
        assert not any(event.type == "lead.captured" for event, _ in events)
        return
    times = [at for at in way[: len(STAGES)] if at is not None]
    assert times == sorted(times) == list(way[: len(times)])
    assert (way.customer is None) <= (way.advocate is None)
    assert (way.customer is None) == (state.paid_orders == 0)


@given(_lists())
def test_the_stored_events_tell_the_same_journey_to_whom_it_was_not_kept_of(events: list[Decoded]) -> None:
    known = after(a_contact(), *events)
    older = Told(msgspec.structs.replace(known.state, journey=None), known.orders)
    assert counted([older.state]) == Moves({}, {}, {})
    assert refolded(older, events, MODEL).counted.journey == known.state.journey
    assert refolded(older, events, MODEL).whole.journey == known.state.journey


def test_the_stages_of_one_contact_and_how_long_each_took() -> None:
    visit = an_engagement(campaign=Campaign(name="Spring"), at=NOW)
    lead = a_lead(at=NOW + minutes(20))
    click = an_engagement(kind="email_clicked", at=NOW + minutes(200))
    meeting = an_engagement(kind="meeting_booked", at=NOW + minutes(300))
    first, second = a_purchase(at=NOW + 2 * DAY), a_purchase(order_id="A-2", at=NOW + 20 * DAY)
    came = [visit, lead, click, meeting, first, second, a_referral(at=NOW + 21 * DAY)]
    stages: list[tuple[Stage, bool]] = []
    for n in range(1, len(came) + 1):
        moves = counted([after(a_contact(), *came[:n]).state])
        assert {(place.dimension, place.name) for place in moves.sums} == {
            ("source", "website"),
            ("campaign", "spring"),
        }
        assert {place.week for place in moves.sums} == {MONDAY}
        stages.append(next((place.stage, place.advocate) for place in moves.sums))
    assert stages == [(stage, False) for stage in STAGES] + [("repeat", True)]
    assert {(step.stage, step.bucket) for step in moves.steps} == {
        ("lead", 2), ("engaged", 4), ("qualified", 4), ("customer", 6), ("repeat", 9), ("advocate", 9),
    }  # fmt: skip


def test_what_is_no_person_s_doing_or_was_given_back_moves_nobody() -> None:
    robot = after(a_contact(), a_lead(human_likelihood=0.1)).state
    assert counted([robot]).sums == {}
    back = after(a_contact(), a_lead(), a_purchase(at=NOW + DAY), a_refund(at=NOW + 2 * DAY)).state
    assert next(iter(counted([back]).sums)).stage == "lead"
    same_day = after(a_contact(), a_purchase(), a_purchase(order_id="A-2", at=NOW + minutes(5))).state
    ((place, sums),) = counted([same_day]).sums.items()
    assert (place.stage, sums.direct, sums.asked, sums.orders, sums.days, sums.spent) == (
        "customer",
        1,
        0,
        2,
        1,
        20_000,
    )


def _rows(
    stages: Mapping[str, int], week: date = MONDAY - timedelta(weeks=20), worth: int = 10_000
) -> list[tuple[Place, Sums]]:
    """So many who came so far and no farther."""
    return [
        (
            Place("source", week, "website", stage, advocate=False),
            Sums(count, 0, count, 0, worth * count * (1 + (stage == "repeat")), 0, 0, 0, 0, 0, 0),
        )
        for stage in STAGES
        if (count := stages.get(stage, 0))
    ]


def _judged(now: list[tuple[Place, Sums]], before: Sequence[tuple[Place, Sums]] = ()) -> Any:
    return bottleneck(now, list(before), MONDAY, Judged(TARGETS, "EUR"))


_FINE: dict[str, int] = {"visitor": 9_000, "lead": 500, "engaged": 200, "qualified": 180, "customer": 70, "repeat": 50}


@pytest.mark.parametrize(
    ("worse", "where", "stage"),
    [
        ({"visitor": 90_000}, "lead generation", "lead"),
        ({"lead": 9_000}, "nurturing", "engaged"),
        ({"engaged": 9_000}, "lead quality", "qualified"),
        ({"qualified": 9_000}, "nurturing", "customer"),
        ({"repeat": 1}, "retention", "repeat"),
        ({}, "awareness", None),
    ],
)
def test_the_bottleneck_is_the_step_that_costs_most_customers(
    worse: dict[str, int], where: Where, stage: str | None
) -> None:
    found = _judged(_rows(_FINE | worse))
    assert (found.where, found.stage) == (where, stage)
    assert found.says.startswith(where.capitalize())
    assert (found.missing > 0) == bool(worse)
    if stage not in (None, "repeat"):
        customers = levels(_rows(_FINE | worse))["customer"].contacts
        assert found.missing == pytest.approx(customers * (found.target / found.rate.value - 1))
        assert f"{found.gain / 100:,.2f} EUR" in found.says


def test_nobody_is_judged_who_had_no_time_and_of_few_nothing_is_said() -> None:
    lately = _rows({"visitor": 9_000}, week=MONDAY)
    assert _judged(lately).where == "awareness", "leads may still come of them"
    few = _judged(_rows({"visitor": 20}))
    assert (few.where, few.says) == (None, "Too few to say: 20 visitors.")
    nobody = _judged(_rows({"visitor": 9_000}))
    assert (nobody.where, nobody.gain) == ("lead generation", None)
    assert nobody.missing == pytest.approx(9_000 * 0.03 * 0.4 * 0.5 * 0.2)


def test_fewer_visitors_than_before_are_the_bottleneck_where_all_steps_are_right() -> None:
    twice = {stage: 2 * count for stage, count in _FINE.items()}
    found = _judged(_rows(_FINE), _rows(twice))
    assert (found.where, found.stage) == ("awareness", None)
    assert found.missing == pytest.approx(120)
    assert "10,000 visitors, where as many weeks before there were 20,000" in found.says
    assert _judged(_rows(_FINE), _rows(_FINE | {"visitor": 9_050})).missing == 0, "no more than chance"


def test_the_sentence_of_the_page_is_what_is_said() -> None:
    rows = _rows(
        {"visitor": 9_000, "lead": 300, "engaged": 179, "qualified": 49, "customer": 8, "repeat": 4}, worth=30_000
    )
    page = (Path(__file__).parents[3] / "docs" / "funnel.md").read_text()
    assert f"> {_judged(rows).says}\n" in page


@given(st.dictionaries(st.sampled_from(STAGES), st.integers(0, 5_000)))
def test_whatever_came_it_can_be_judged(stages: dict[str, int]) -> None:
    reached_by = levels(_rows(stages))
    assert [*reached_by] == [*LEVELS]
    counts = [reached_by[stage].contacts for stage in STAGES]
    assert counts == sorted(counts, reverse=True)
    found = _judged(_rows(stages), _rows({"visitor": 40}))
    assert found.missing >= 0
    assert found.says


def test_each_contact_is_in_one_segment_and_each_segment_is_somebody_s() -> None:
    digits = "12345"
    cells = [Cell("customer", "", f"{r}{f}{m}") for r in digits for f in digits for m in digits]
    found = Counter(map(segment, [*cells, Cell("customer", "", ""), Cell("lead", "", ""), Cell("visitor", "", "")]))
    assert found.keys() == MEANS.keys()
    assert (segment(Cell("customer", "gold", "555")), segment(Cell("customer", "", "151"))) == ("champions", "at risk")


def test_a_customer_s_segment_is_by_how_lately_and_how_often_they_bought() -> None:
    table = {digit: [segment(Cell("customer", "", f"{digit}{often}1")) for often in "34"] for digit in "12345"}
    assert table == {
        "5": ["new or promising", "champions"],
        "4": ["new or promising", "champions"],
        "3": ["need attention", "loyal"],
        "2": ["lost", "at risk"],
        "1": ["lost", "at risk"],
    }


def test_the_edges_of_times_are_those_that_are_stored() -> None:
    """Sums are stored by their place among these: another edge would change what old ones mean."""
    days = [minutes / (24 * 60) for minutes in EDGES_MIN[5:]]
    assert (EDGES_MIN[:5], days) == ((1, 10, 30, 60, 360), [1, 3, 7, 14, 30, 60, 90, 180, 365])
