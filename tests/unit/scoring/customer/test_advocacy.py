"""Who brought a customer is credited with a share of what that one brings, once; NPS moves what is expected."""

from datetime import timedelta

import msgspec

from services.scoring.domain import bookings
from services.scoring.domain.customer import advocacy
from services.scoring.domain.customer import value as customer_value
from shared.events.identity import Identity
from shared.events.updates import Booking
from tests.unit.scoring.builders import (
    NOW,
    a_contact,
    a_feedback,
    a_lead,
    a_model,
    a_purchase,
    a_referral,
    after,
    minutes,
    total,
)
from tests.unit.scoring.customer.test_value import CUSTOMERS

SHARE = a_model(referral_share=0.1)


def test_a_referral_names_somebody_by_a_strong_key_and_strangers_name_nobody() -> None:
    assert advocacy.referred(*a_referral()) == ("email:eve@example.com",)
    assert advocacy.referred(*a_referral(trust="public")) == ()
    assert advocacy.referred(*a_referral(referred=Identity(phone="+491701234567"))) == ()
    assert advocacy.referred(*a_lead()) == ()
    both = Identity(email="eve@example.com", user_id="eve")
    assert advocacy.referred(*a_referral(referred=both)) == ("email:eve@example.com",), "one person is one referral"


def test_the_credit_is_a_share_of_the_margin_and_booked_as_referral() -> None:
    state, booked = bookings.advocated(a_contact(), 35_00, SHARE)
    assert (state.customer, [(each.factor, each.amount) for each in booked]) == (3_50, [("referral", 3_50)])
    state, back = bookings.advocated(state, 0, SHARE)
    assert (state.customer, total([*booked, *back], "customer")) == (0, 0)


def test_only_who_bought_after_the_referral_counts_and_each_once() -> None:
    by = a_contact("by")
    new = after(a_contact("new"), a_purchase(at=NOW + minutes(5))).state
    old = after(a_contact("old"), a_purchase(at=NOW - minutes(5))).state
    found = [advocacy.Brought(by.id, NOW, each) for each in (new, new, old, a_contact("none"))]
    assert advocacy.margin_brought(found) == {by.id: new.past}


def test_a_promoter_is_expected_to_buy_more_and_an_unproven_answer_changes_nothing() -> None:
    model = a_model(customer=CUSTOMERS, promoter_share=0.2, detractor_share=-0.5)
    bought = after(a_contact(), *(
        a_purchase(order_id=f"o{n}", at=NOW + timedelta(days=7 * n)) for n in range(4)
    ), model=model)  # fmt: skip
    at = NOW + timedelta(days=22)
    plain = customer_value.to_come(bought.state, model, at.timestamp())
    booked: list[Booking] = []
    for score, times in ((9.0, 1.2), (8.0, 1.0), (2.0, 0.5)):
        told = after(bought, a_feedback(score=score, at=at), model=model, booked=booked)
        assert abs(customer_value.to_come(told.state, model, at.timestamp()) - plain * times) <= 1
        assert told.state.customer == customer_value.value(told.state, model, told.state.as_of)
    assert {each.factor for each in booked if each.account == "customer"} <= {"time", "feedback"}
    public = after(bought, a_feedback(score=9.0, at=at, trust="public"), model=model)
    assert customer_value.to_come(public.state, model, at.timestamp()) == plain
    assert advocacy.loyalty(msgspec.structs.replace(bought.state, known={}), model) == 0
