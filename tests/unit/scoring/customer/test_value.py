"""The days of purchases as facts, and the customer value, standing and tier that a learnt model makes of them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import bookings
from services.scoring.domain.customer import pricing
from services.scoring.domain.customer import value as customer_value
from services.scoring.domain.customer.days import MOST, bought, day_of
from services.scoring.domain.customer.history import summarise
from services.scoring.domain.customer.orders import Order
from services.scoring.domain.customer.population import CustomerModel
from services.scoring.domain.customer.purchases import PurchaseModel
from services.scoring.domain.customer.rfm import RfmCuts
from services.scoring.domain.customer.spend import SpendModel
from services.scoring.domain.customer.standing import standing
from services.scoring.domain.customer.tiers import tier
from shared.events.updates import Booking
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    Told,
    a_contact,
    a_model,
    a_purchase,
    a_refund,
    after,
    as_one,
    minutes,
    settled,
    total,
)

_DAY = 24 * 60
CUSTOMERS = CustomerModel(
    "customer-test",
    PurchaseModel("mbg", 0.525, 6.183, 0.891, 1.614),
    SpendModel(6.25, 3.74, 1544.0),
    RfmCuts((10.0, 30.0, 90.0, 365.0), (1.0, 2.0, 3.0, 5.0), (1000.0, 5000.0, 20_000.0, 80_000.0)),
)
LEARNT = a_model(version="scorecard-test+customer-test", customer=CUSTOMERS)
EARLIEST = NOW.timestamp() - 3 * 365 * 86_400

_ORDERS = st.lists(
    st.builds(
        lambda day, cents, back: Order(
            currency="EUR", paid=cents, at=EARLIEST + day * 86_400.0, refunded={"EUR": back} if back else {}
        ),
        st.integers(0, 120),
        st.integers(0, 9999),
        st.sampled_from([0, 0, 0, 500, 20_000]),
    ),
    max_size=100,
)


@given(_ORDERS, st.randoms(use_true_random=False))
def test_the_days_are_what_all_orders_come_to_however_they_came(orders: list[Order], dice: object) -> None:
    today = day_of(NOW.timestamp())
    shuffled = list(orders)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    state = a_contact()
    for order in shuffled:
        state = pricing.reckon(state, None, order, MODEL)
    if state.priced not in ("", MODEL.pricing.version):
        state = pricing.all_of(state, orders, MODEL)
    assert len(state.days) <= MOST
    found = bought(state.days, state.earlier, today)
    worths = [
        (date.fromordinal(719_163 + day_of(order.at)), float(order.paid - order.refunded.get("EUR", 0)))
        for order in orders
    ]
    expected = summarise(worths, date.fromordinal(719_163 + today))
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert found.history == expected.history
        assert found.mean == pytest.approx(expected.mean)
    whole = pricing.all_of(a_contact(), orders, MODEL)
    assert (state.days, state.earlier) == (whole.days, whole.earlier)


def test_a_customer_of_very_many_days_stays_small_and_an_old_refund_counts_once_all_is_priced_anew() -> None:
    events = [a_purchase(order_id=f"o{n}", event=n, at=NOW + minutes(n * _DAY)) for n in range(200)]
    told = after(a_contact(), *events)
    assert len(told.days) == MOST
    assert told.state.earlier is not None
    assert told.priced == MODEL.pricing.version
    back = after(told, a_refund(order_id="o3", at=NOW + minutes(201 * _DAY)))
    assert back.model == "", "due to be priced anew"
    again = pricing.all_of(back.state, back.orders.values(), MODEL)
    so_far = bought(again.days, again.earlier, day_of(again.clock))
    assert so_far is not None
    assert (so_far.purchases, so_far.worth) == (199, 199 * 100_00)
    joined = as_one(told, Told(a_contact("other")))
    assert joined.priced == "mixed"
    assert len(joined.days) == MOST


def test_the_value_is_the_past_and_the_discounted_margin_to_come() -> None:
    story = [a_purchase(event=1), a_purchase(order_id="B", event=2, at=NOW + minutes(70 * _DAY))]
    booked = list[Booking]()
    told = after(a_contact(), *story, model=LEARNT, booked=booked)
    so_far = bought(told.days, told.state.earlier, day_of(told.clock))
    assert so_far is not None
    purchases = CUSTOMERS.purchases.discounted(so_far.history, 36, LEARNT.scorecard.monthly_discount)
    spend = CUSTOMERS.spend.expected(1, 100_00)
    assert told.customer == pytest.approx(7000 + purchases * spend * 0.35, abs=1)
    assert total(booked, "customer") == told.customer
    assert [each.factor for each in booked if each.account == "customer"] == ["purchase", "time", "purchase"]
    assert after(a_contact(), *story).customer == 7000, "without a learnt model the past alone"


def test_a_new_model_is_booked_as_the_model() -> None:
    told, booked = after(a_contact(), a_purchase()), list[Booking]()
    state, new = bookings.revalue(told.state, LEARNT)
    assert [(each.account, each.factor) for each in new] == [("customer", "model")]
    assert state.customer == customer_value.value(told.state, LEARNT, told.clock) > told.customer
    later = after(told, a_purchase(order_id="B", at=NOW + minutes(_DAY)), model=LEARNT, booked=booked)
    assert [each.factor for each in booked if each.account == "customer"] == ["model", "time", "purchase"]
    assert later.customer == told.customer + total(booked, "customer")


@given(st.lists(st.integers(0, 400), max_size=6), st.lists(st.integers(0, 400), max_size=6))
def test_a_merge_comes_to_what_one_contact_would_have_come_to(mine: list[int], others: list[int]) -> None:
    def bought_on(days: list[int], name: str) -> Told:
        events = [
            a_purchase(order_id=f"{name}{n}", event=f"{name}{n}", at=NOW + minutes(day * _DAY))
            for n, day in enumerate(days)
        ]
        return after(a_contact(name), *events, model=LEARNT, booked=booked)

    booked = list[Booking]()
    both = settled(as_one(bought_on(mine, "a"), bought_on(others, "b"), LEARNT), LEARNT, booked)
    assert both.customer == total(booked, "customer")
    assert both.customer == customer_value.value(both.state, LEARNT, both.as_of)


def test_how_a_customer_stands() -> None:
    assert standing(a_contact(), LEARNT, NOW.timestamp()) is None
    told = after(
        a_contact(), a_purchase(event=1), a_purchase(order_id="B", event=2, at=NOW + minutes(70 * _DAY)), model=LEARNT
    )
    soon = standing(told.state, LEARNT, told.clock)
    late = standing(told.state, LEARNT, told.clock + 3 * 365 * 86_400)
    assert soon is not None
    assert late is not None
    assert (soon.orders, soon.average, soon.between) == (2, 100_00, 70.0)
    assert soon.p_alive is not None
    assert late.p_alive is not None
    assert soon.p_alive > 0.5 > late.p_alive
    assert soon.next_day is not None
    assert late.next_day is None
    assert (soon.rfm, late.rfm) == ("523", "123")
    assert soon.churn_risk == pytest.approx(1 - soon.p_alive)
    plain = standing(told.state, MODEL, told.clock)
    assert plain is not None
    assert (plain.orders, plain.average, plain.p_alive, plain.rfm) == (2, 100_00, None, None)


def test_a_tier_is_reached_at_its_threshold_and_lost_below_nine_tenths_of_it() -> None:
    tiers = (("gold", 1000), ("silver", 100))
    assert [tier(value, "", tiers) for value in (99, 100, 999, 1000)] == ["", "silver", "silver", "gold"]
    assert [tier(value, "gold", tiers) for value in (900, 899)] == ["gold", "silver"]
    assert [tier(value, "silver", tiers) for value in (90, 89)] == ["silver", ""]
    told = after(a_contact(), a_purchase(amount="2000.00"))
    assert told.tier == "silver"
    assert after(told, a_refund(amount="1000.00", at=NOW + minutes(5))).tier == ""
