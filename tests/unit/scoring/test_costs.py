"""Recorded costs: whose they are, when, and that the shares of a cost are the cost."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import bookings
from services.scoring.domain.contact.fold import merge
from services.scoring.domain.costs import shares, told
from services.scoring.domain.funnel.places import moved
from services.scoring.domain.lead import value as lead_value
from shared.errors import Permanent
from shared.events.types import Campaign
from shared.events.updates import Booking
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    a_contact,
    a_cost,
    a_lead,
    a_purchase,
    after,
    an_engagement,
    minutes,
    total,
)
from tests.unit.scoring.test_funnel import Rollup

MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


@given(st.integers(0, 10**12), st.integers(1, 500))
def test_the_shares_of_a_cost_are_the_cost_and_differ_by_a_cent_at_most(amount: int, leads: int) -> None:
    found = shares(amount, leads)
    assert (sum(found), len(found)) == (amount, leads)
    assert found[0] - found[-1] in (0, 1)
    assert found == sorted(found, reverse=True), "the first have what is left over"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, (MARCH, APRIL)),
        (MARCH, None, (MARCH, APRIL)),
        (NOW, None, (NOW, APRIL)),
        (None, APRIL, (MARCH, APRIL)),
        (MARCH, APRIL, (MARCH, APRIL)),
        (APRIL, MARCH, (MARCH, APRIL)),
        (MARCH, MARCH, (MARCH, MARCH + timedelta(days=1))),
        (_LAST, None, (MARCH, APRIL)),
        (_LAST, _LAST, (MARCH, APRIL)),
    ],
)
def test_a_period_is_what_was_said_or_the_month(
    start: datetime | None, end: datetime | None, expected: tuple[datetime, datetime]
) -> None:
    cost = told(*a_cost(period_start=start, period_end=end))
    assert cost is not None
    assert (cost.since, cost.until) == expected


@given(st.none() | st.datetimes(timezones=st.just(UTC)), st.none() | st.datetimes(timezones=st.just(UTC)))
def test_whatever_the_dates_a_period_lasts(start: datetime | None, end: datetime | None) -> None:
    cost = told(*a_cost(period_start=start, period_end=end))
    assert cost is not None
    assert cost.since < cost.until


def test_a_cost_is_known_by_its_id_at_its_sender_and_compares_names_as_leads_do() -> None:
    one, other = (told(*a_cost(cost_id="march", source=" Google ", event=n)) for n in "ab")
    assert one is not None
    assert other is not None
    assert (one.key, one.source, one.campaign) == (other.key, "google", None)
    apart = {cost.key for n in "ab" if (cost := told(*a_cost(event=n))) is not None}
    assert len(apart) == 2, "without an id each is a cost of its own"


def test_strangers_tell_no_costs_and_an_amount_is_a_number() -> None:
    assert told(*a_cost(trust="public")) is None
    with pytest.raises(Permanent):
        told(*a_cost(amount="much"))


@given(st.lists(st.none() | st.integers(0, 10**7), min_size=1, max_size=6))
def test_another_share_is_booked_as_cost_alone_and_the_bookings_still_sum(said: list[int | None]) -> None:
    booked: list[Booking] = []
    state = after(a_contact(), a_lead(), an_engagement(at=NOW + minutes(1)), booked=booked).state
    rollup, before = Rollup(), state
    rollup.add(moved([(None, state)]))
    for share in said:
        state, made = bookings.costed(state, share, MODEL)
        assert {each.factor for each in made} <= {"cost"}
        booked += made
        rollup.add(moved([(before, state)]))
        before = state
    assert state.lead == total(booked, "lead") == lead_value.value(lead_value.parts(state, MODEL, state.as_of))
    assert lead_value.cost(state, MODEL) == (200 if said[-1] is None else said[-1])
    assert rollup.is_of([state])
    later = after(state, an_engagement(at=NOW + minutes(2)), model=MODEL, booked=booked)
    assert later.lead == total(booked, "lead"), "and the next event knows it"
    assert "cost" not in {each.factor for each in booked[len(booked) - 1 :]}
    gone = after(later, a_purchase(at=NOW + minutes(3)), booked=booked)
    assert gone.lead == total(booked, "lead") == 0


def test_two_who_were_one_cost_what_the_first_did_until_it_is_spread_again() -> None:
    first = msgspec.structs.replace(after(a_contact("a"), a_lead(email="a@example.com")).state, cost=7)
    later = after(a_contact("b"), a_lead(email="b@example.com", at=NOW + minutes(5))).state
    assert merge(first, later).cost == merge(later, first).cost == 7
    assert merge(a_contact("c"), first).cost == 7


def test_a_lead_is_known_by_its_utm_source_and_by_its_campaign() -> None:
    journey = after(
        a_contact(),
        an_engagement(campaign=Campaign(source="Google", name="Spring"), anonymous_id="d"),
        a_lead(campaign=Campaign(source="bing"), at=NOW + minutes(1)),
    ).journey
    assert (journey.campaign.name, journey.via.name) == ("spring", "google")
