"""Customers whose next purchase is overdue wait in the queue, until they buy, one of us has called, or a month is over."""

from dataclasses import replace

import pytest

from services.scoring.domain import bookings, queue
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.customer.at_risk import at_stake, overdue_since
from services.scoring.domain.customer.days import bought, day_of
from services.scoring.domain.model.queue_settings import NOBODY_AT_RISK, OF_CUSTOMERS
from tests.unit.scoring.builders import NOW, Told, a_contact, a_lead, a_purchase, a_touch, after, minutes
from tests.unit.scoring.customer.test_value import CUSTOMERS, LEARNT

DAY = 24 * 60
MODEL = replace(LEARNT, queue=replace(LEARNT.queue, customers=replace(NOBODY_AT_RISK, saved=0.1)))
LAST = NOW + minutes(DAY * 70)


def a_customer() -> Told:
    """Who bought each week for ten weeks."""
    orders = [a_purchase(order_id=str(n), event=n, at=NOW + minutes(DAY * 7 * (n + 1))) for n in range(10)]
    return after(a_contact(), *orders, model=MODEL)


def aged(state: ContactState, days: float) -> ContactState:
    return bookings.aged(state, MODEL, (LAST + minutes(DAY * days)).timestamp())[0]


def test_a_customer_waits_from_the_day_on_which_half_of_those_like_it_have_bought_again() -> None:
    told = a_customer()
    so_far = bought(told.state.days, told.state.earlier, day_of(LAST.timestamp()))
    assert so_far is not None
    wait = CUSTOMERS.purchases.median_wait(so_far.history) * 7
    assert 0 < wait < 30
    assert told.state.worth is None
    assert aged(told.state, wait - 1).worth is None
    late = aged(told.state, wait + 2)
    assert late.curve == OF_CUSTOMERS
    assert late.worth == queue.step(at_stake(late, MODEL))
    assert late.waits_since == overdue_since(late, MODEL)
    assert at_stake(late, MODEL) == pytest.approx(0.1 * (late.customer - late.past))
    assert aged(late, wait + 31).worth is None, "after a month nobody is asked any more"


@pytest.mark.parametrize("event", [a_purchase(order_id="new", at=LAST + minutes(DAY * 25)),
                                   a_touch(at=LAST + minutes(DAY * 25))])  # fmt: skip
def test_who_buys_or_was_called_since_waits_no_longer(event: object) -> None:
    told = a_customer()
    late = Told(aged(told.state, 24), told.orders)
    assert late.state.worth is not None
    assert after(late, event, model=MODEL).state.worth is None  # type: ignore[arg-type]


def test_who_asks_waits_as_a_lead() -> None:
    told = a_customer()
    late = Told(aged(told.state, 24), told.orders)
    asked = after(late, a_lead(at=LAST + minutes(DAY * 25)), model=MODEL).state
    assert (asked.curve, asked.waits_since) == ("", (LAST + minutes(DAY * 25)).timestamp())


def test_nobody_waits_without_a_fit_or_where_nothing_is_saved() -> None:
    told = a_customer()
    late = aged(told.state, 24)
    assert bookings.revalue(late, replace(MODEL, queue=LEARNT.queue))[0].worth is None
    assert overdue_since(late, replace(MODEL, learnt=type(MODEL.learnt)())) is None
