"""A customer's coming year: the bounds hold what the model expects, and what it draws."""

import pytest

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.customer.days import bought, day_of
from services.scoring.domain.customer.foresight import foresee
from tests.unit.scoring.builders import MODEL, NOW, a_contact, a_purchase, a_refund, after, minutes
from tests.unit.scoring.customer.test_value import CUSTOMERS, LEARNT

WEEK = 7 * 24 * 60


def a_customer(purchases: int, every: int = 2) -> ContactState:
    orders = [
        a_purchase(order_id=str(n), amount=f"{40 + n}.00", event=n, at=NOW + minutes(WEEK * every * n))
        for n in range(purchases)
    ]
    return after(a_contact(), *orders, model=LEARNT).state


@pytest.mark.parametrize("purchases", [1, 2, 5, 30])
def test_what_is_expected_lies_between_the_bounds(purchases: int) -> None:
    state = a_customer(purchases)
    found = foresee(state, LEARNT, state.as_of)
    assert found is not None
    assert found.least_purchases <= found.purchases <= found.most_purchases
    assert 0 <= found.least_margin <= found.margin <= found.most_margin
    assert foresee(state, LEARNT, state.as_of) == found, "asked twice it says the same"
    so_far = bought(state.days, state.earlier, day_of(state.as_of))
    assert so_far is not None
    assert found.purchases == CUSTOMERS.purchases.expected(so_far.history, 52.0)


def test_who_has_long_been_silent_may_buy_nothing() -> None:
    state = a_customer(5, every=1)
    found = foresee(state, LEARNT, state.as_of + 3 * 365 * 86_400.0)
    assert found is not None
    assert (found.least_purchases, found.most_purchases, found.most_margin) == (0, 0, 0)


def test_nothing_is_foreseen_without_a_model_or_a_purchase() -> None:
    assert foresee(a_customer(3), MODEL, NOW.timestamp()) is None
    assert foresee(a_contact(), LEARNT, NOW.timestamp()) is None
    back = after(a_contact(), a_purchase(), a_refund(), model=LEARNT).state
    assert foresee(back, LEARNT, NOW.timestamp()) is None
