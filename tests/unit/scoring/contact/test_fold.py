"""Whatever order a contact's events come in, however often, and however split: the same facts, values and sums."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.contact.contact import decode_state, encode_state
from services.scoring.domain.contact.fold import merge
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model.model import Model
from shared.events.envelope import Decoded
from shared.events.types import Consent
from shared.events.updates import Booking
from shared.money import Money
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    Told,
    a_contact,
    a_lead,
    a_model,
    a_purchase,
    a_refund,
    a_touch,
    after,
    an_engagement,
    an_identification,
    as_one,
    facts,
    minutes,
    settled,
    total,
)
from tests.unit.scoring.together import LEARNT

_AMOUNTS = st.integers(0, 5_000_00).map(lambda cents: f"{cents / 100:.2f}")
_TIMES = st.integers(0, 60 * 24 * 60).map(lambda minute: NOW + minutes(minute))
_TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "country": st.sampled_from(["DE", "GB", "FR"]),
        "company": st.sampled_from(["", "Engines"]),
        "size": st.sampled_from([10, 50, "200", "many"]),
    },
)
_ORDERS = st.sampled_from(["A-1", "A-2", "A-3"])
_SOURCES = st.sampled_from(["/sources/website", "/sources/shop", "/sources/elsewhere"])
_MONEY = st.one_of(st.none(), st.builds(Money, _AMOUNTS, st.sampled_from(["EUR", "USD", "CHF"])))


def _events() -> st.SearchStrategy[Decoded]:
    common = {"at": _TIMES, "event": st.uuids(), "source": _SOURCES}
    return st.one_of(
        st.builds(a_lead, traits=_TRAITS, estimated_value=_MONEY, name=st.sampled_from([None, "Ada", "Bea"]), **common),
        st.builds(an_identification, traits=_TRAITS, **common),
        st.builds(an_engagement, kind=st.sampled_from(["page_viewed", "meeting_booked", "odd"]),
                  human_likelihood=st.sampled_from([0.0, 0.3, 1.0]), **common),
        st.builds(a_purchase, order_id=_ORDERS, amount=_AMOUNTS, currency=st.sampled_from(["EUR", "USD", "CHF"]), **common),
        st.builds(a_refund, order_id=_ORDERS, amount=_AMOUNTS, **common),
        st.builds(a_touch, human=st.booleans(), **common),
    )  # fmt: skip


def histories() -> st.SearchStrategy[list[Decoded]]:
    return st.lists(_events(), min_size=1, max_size=12, unique_by=lambda each: each.event.id)


_HISTORY = histories()
_MODELS = st.sampled_from([MODEL, a_model(lead=LEARNT)])


def _sums_hold(state: Told, booked: list[Booking]) -> None:
    assert state.lead == total(booked, "lead")
    assert state.customer == total(booked, "customer")
    assert all(each.amount for each in booked)


@given(_HISTORY, _MODELS)
def test_the_bookings_sum_to_the_values_at_every_point(history: list[Decoded], model: Model) -> None:
    state, booked = Told(a_contact()), list[Booking]()
    for decoded in history:
        state = after(state, decoded, model=model, booked=booked)
        _sums_hold(state, booked)
        expected = lead_value.value(lead_value.parts(state.state, model, state.clock)) if state.open_lead else 0
        assert state.lead == expected
    assert state.version == len(history)


@given(_HISTORY.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))), _MODELS)
def test_any_order_of_events_comes_to_the_same(histories: tuple[list[Decoded], list[Decoded]], model: Model) -> None:
    told, retold = (after(a_contact(), *history, model=model) for history in histories)
    assert facts(told) == facts(retold)
    assert told.customer == retold.customer
    assert abs(told.lead - retold.lead) <= 1


@given(_HISTORY, _HISTORY, st.integers(0, 12), _MODELS)
def test_two_contacts_that_are_merged_are_as_one_that_saw_everything(
    mine: list[Decoded], others: list[Decoded], late: int, model: Model
) -> None:
    together, apart = [*mine, *others], others[:late]
    booked: list[Booking] = []
    a, b = (after(a_contact(name), *events, model=model, booked=booked) for name, events in (("a", mine), ("b", apart)))
    state = settled(as_one(a, b, model), model, booked=booked)
    _sums_hold(state, booked)
    for decoded in others[late:]:
        state = after(state, decoded, model=model, booked=booked)
        _sums_hold(state, booked)
    whole = after(a_contact("a"), *together, model=model)
    assert facts(state) == facts(whole)
    assert state.version == whole.version
    assert state.customer == whole.customer
    assert abs(state.lead - whole.lead) <= 1


@given(_HISTORY, _HISTORY)
def test_it_does_not_matter_who_is_merged_into_whom(mine: list[Decoded], others: list[Decoded]) -> None:
    a, b = after(a_contact("a"), *mine), after(a_contact("b"), *others)
    assert facts(as_one(a, b)) == facts(as_one(b, a))


@pytest.mark.parametrize("tiers", [("gold", "silver"), ("gold", ""), ("silver", "gold")])
def test_of_two_tiers_that_of_the_larger_value_is_kept_whoever_survives(tiers: tuple[str, str]) -> None:
    rich, poor = (
        msgspec.structs.replace(a_contact(name), customer=value, tier=tier)
        for name, value, tier in zip("ab", (95_000, 40_000), tiers, strict=True)
    )
    assert merge(rich, poor).tier == merge(poor, rich).tier == tiers[0]


@given(_HISTORY)
def test_a_stored_state_is_the_same_when_it_is_read_again(history: list[Decoded]) -> None:
    state = after(a_contact(keys=("email:ada@example.com",)), *history)
    assert decode_state(encode_state(state.state)) == state.state


def test_the_same_order_heard_of_twice_counts_once() -> None:
    once = after(a_contact(), a_purchase(event=1))
    twice = after(once, a_purchase(event=2), a_purchase(event=3, at=NOW + minutes(5)))
    assert (once.customer, twice.customer) == (3500, 3500)
    assert twice.paid_orders == 1
    assert after(twice, a_purchase(event=4, order_id="A-2")).paid_orders == 2


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_refund_may_come_before_its_order_and_takes_its_share(order: tuple[int, ...]) -> None:
    events = [
        a_purchase(event=1, amount="100.00", margin="40.00"),
        a_refund(event=2, amount="25.00"),
        a_refund(event=3, amount="25.00", at=NOW + minutes(1)),
    ]
    state = after(a_contact(), *(events[n] for n in order))
    assert (state.customer, state.paid_orders) == (2000, 1)


def test_an_order_refunded_whole_is_worth_nothing_and_is_no_purchase() -> None:
    booked: list[Booking] = []
    state = after(a_contact(), a_purchase(), a_refund(), booked=booked)
    assert (state.customer, state.paid_orders) == (0, 0)
    assert [(each.factor, each.amount) for each in booked] == [("purchase", 3500), ("refund", -3500)]


@pytest.mark.parametrize("loss_first", [True, False])
def test_an_order_sold_at_a_loss_is_the_same_whatever_comes_first(*, loss_first: bool) -> None:
    events = [a_purchase(amount="100.00", margin="-10.00"), a_refund(amount="50.00")]
    state = after(a_contact(), *(events if loss_first else events[::-1]))
    assert state.customer == -500


def test_more_orders_than_are_kept_one_by_one_still_count() -> None:
    orders = [a_purchase(event=n, order_id=f"A-{n}", at=NOW + minutes(n)) for n in range(620)]
    state = after(a_contact(), *orders)
    assert (state.customer, state.paid_orders) == (620 * 3500, 620)


def test_the_latest_word_counts_and_the_first_source_stays() -> None:
    first = a_lead(source="/sources/shop", traits={"country": "FR"}, consent=Consent(email=True))
    later = a_lead(
        source="/sources/website", at=NOW + minutes(1), traits={"country": "DE"}, consent=Consent(email=False)
    )
    for events in ([first, later], [later, first]):
        state = after(a_contact(), *events)
        assert state.get("trait:country") == "DE"
        assert state.get("consent:email") is False
        assert state.source == "/sources/shop"


def test_a_purchase_closes_the_lead_and_a_new_capture_opens_another() -> None:
    booked: list[Booking] = []
    state = after(a_contact(), a_lead(), a_purchase(at=NOW + minutes(5)), booked=booked)
    assert (state.stage, state.open_lead, state.lead) == ("customer", False, 0)
    assert booked[-2].factor == "converted"
    again = after(state, a_lead(at=NOW + minutes(10)), booked=booked)
    assert again.open_lead
    assert again.lead == total(booked, "lead") > 0
    assert again.customer == 3500
    assert again.stage == "customer"


def test_only_a_person_s_touch_counts() -> None:
    assert after(a_contact(), a_touch(human=False)).touched is None
    assert after(a_contact(), a_touch(human=True)).touched == NOW.timestamp()


def test_a_sender_s_clock_that_is_ahead_does_not_age_the_contact() -> None:
    state = after(a_contact(), a_lead(at=NOW + minutes(60 * 24 * 365), received=NOW))
    assert state.clock == NOW.timestamp()
    assert state.captured == NOW.timestamp()


def test_an_amount_is_converted_at_the_day_of_the_event() -> None:
    now = after(a_contact(), a_purchase(currency="USD"))
    before = after(a_contact(), a_purchase(currency="USD", at=NOW.replace(year=2021)))
    assert (now.customer, before.customer) == (3010, 3150)


@pytest.mark.parametrize(("currency", "year"), [("CHF", 2026), ("ZZZ", 2026), ("USD", 2019)])
def test_an_amount_without_a_rate_counts_as_nothing_and_the_rest_is_folded(currency: str, year: int) -> None:
    at = NOW.replace(year=year)
    bought = after(a_contact(), a_purchase(currency=currency, at=at))
    assert (bought.customer, bought.stage, bought.unconverted) == (0, "customer", {currency: 1})
    asked = after(a_contact(), a_lead(name="Ada", estimated_value=Money("9.00", currency), at=at))
    plain = after(a_contact(), a_lead(name="Ada", at=at))
    assert (asked.lead, asked.get("name")) == (plain.lead, "Ada")
    assert lead_value.unconverted(asked.state, MODEL) == currency


def test_a_robots_lead_opens_none_and_changes_nothing_that_is_known() -> None:
    person = after(a_contact(), a_lead(name="Ada", event=1))
    robot = after(a_contact(), a_lead(name="Spam", human_likelihood=0.02, event=2))
    assert robot.captured is None
    assert {name: word.value for name, word in robot.known.items()} == {"email": "ada@example.com"}
    both = after(
        a_contact(), a_lead(name="Ada", event=1), a_lead(name="Spam", human_likelihood=0.02, at=NOW + minutes(9))
    )
    assert (both.known, both.captured) == (person.known, person.captured)
