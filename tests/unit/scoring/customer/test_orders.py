"""An order's worth: in its own currency until the end, at the rate of its day, whatever came first and wherever from."""

import itertools
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.customer import pricing
from services.scoring.domain.customer.orders import Order, as_one, bought, returned, worth
from services.scoring.domain.model.rates import Rates
from shared.errors import Permanent
from shared.events.identity import Identity
from shared.events.types import Item, PurchaseCompleted, PurchaseRefunded
from shared.money import MAX_MINOR
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    a_contact,
    a_model,
    a_purchase,
    a_refund,
    after,
    facts,
    minutes,
)
from tests.unit.scoring.builders import as_one as merged

_ADA = Identity(email="ada@example.com")
_CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "CHF"])
_AMOUNTS = st.integers(0, 9_999_99).map(lambda cents: f"{cents / 100:.2f}")
_TOLD = st.one_of(
    st.builds(
        lambda amount, currency, margin, at: bought(
            PurchaseCompleted(identity=_ADA, order_id="A", amount=amount, currency=currency, margin=margin), at
        ),
        _AMOUNTS,
        _CURRENCIES,
        st.none() | _AMOUNTS,
        st.integers(1_500_000_000, 1_800_000_000).map(float),
    ),
    st.builds(
        lambda amount, currency: returned(
            PurchaseRefunded(identity=_ADA, order_id="A", amount=amount, currency=currency)
        ),
        _AMOUNTS,
        _CURRENCIES,
    ),
)


@given(st.lists(_TOLD, min_size=1, max_size=6).flatmap(lambda all_: st.tuples(st.just(all_), st.permutations(all_))))
def test_it_does_not_matter_what_is_heard_first(histories: tuple[list[Order], list[Order]]) -> None:
    made = []
    for history in histories:
        order: Order | None = None
        for each in history:
            order = as_one(order, each)
        made.append(order)
    one, other = made
    assert one is not None
    assert other is not None
    assert worth(one, MODEL) == worth(other, MODEL)
    assert one.refunded == other.refunded


def test_a_whole_refund_leaves_nothing_though_the_rate_moved() -> None:
    order = after(
        a_contact(),
        a_purchase(amount="100.00", currency="USD", at=NOW.replace(year=2025)),  # at 0.90
        a_refund(amount="100.00", currency="USD", at=NOW),  # at 0.86
    )
    assert (order.customer, order.paid_orders) == (0, 0)


def test_half_a_refund_leaves_half_at_the_rate_of_the_order_s_day() -> None:
    half = after(
        a_contact(),
        a_purchase(amount="100.00", margin="40.00", currency="USD", at=NOW.replace(year=2025)),
        a_refund(amount="50.00", currency="USD", at=NOW),
    )
    assert half.customer == 1800


def test_a_margin_is_in_the_order_s_currency() -> None:
    assert after(a_contact(), a_purchase(currency="USD", margin="40.00")).customer == 3440


def test_what_goes_back_in_another_currency_is_converted() -> None:
    paid = a_purchase(amount="86.00", margin="43.00", currency="EUR")
    assert after(a_contact(), paid, a_refund(amount="50.00", currency="USD")).customer == 2150
    assert after(a_contact(), paid, a_refund(amount="100.00", currency="USD")).customer == 0
    unknown = after(a_contact(), paid, a_refund(amount="50.00", currency="CHF"))
    assert (unknown.customer, unknown.unconverted) == (4300, {"CHF": 1}), "what went back has no rate yet: counts 0"


def test_yen_have_no_cents_and_dinars_have_three() -> None:
    model = a_model(
        rates=Rates("EUR", {"JPY": ((date(2020, 1, 1), Decimal("0.006")),), "KWD": ((date(2020, 1, 1), Decimal(3)),)})
    )
    yen = after(a_contact(), a_purchase(amount="10000", margin="1000", currency="JPY"), model=model)
    dinars = after(a_contact(), a_purchase(amount="10.000", margin="1.005", currency="KWD"), model=model)
    assert (yen.customer, dinars.customer) == (600, 302)


def test_the_same_number_at_two_shops_is_two_orders() -> None:
    shops = [a_purchase(order_id="777", source=f"/sources/{shop}") for shop in ("one", "two", "three")]
    three = after(a_contact(), *shops)
    assert (three.customer, three.paid_orders) == (3 * 3500, 3)
    one_back = after(three, a_refund(order_id="777", source="/sources/two"))
    assert (one_back.customer, one_back.paid_orders) == (2 * 3500, 2)


@pytest.mark.parametrize("order", [0, 1, 499, 500, 619])
def test_a_refund_of_any_order_works_however_many_there_are(order: int) -> None:
    told = after(a_contact(), *(a_purchase(event=n, order_id=f"A-{n}", at=NOW + minutes(n)) for n in range(620)))
    assert (told.customer, told.paid_orders) == (620 * 3500, 620)
    back = after(told, a_refund(order_id=f"A-{order}", at=NOW + minutes(999)))
    assert (back.customer, back.paid_orders) == (619 * 3500, 619)


def test_a_state_does_not_grow_with_its_orders() -> None:
    sizes = [
        len(repr(after(a_contact(), *(a_refund(event=n, order_id=f"A-{n}") for n in range(many))).state))
        for many in (1, 100)
    ]
    assert sizes[1] - sizes[0] < 10


def test_what_is_beyond_all_reason_counts_as_the_most_there_can_be() -> None:
    told = after(a_contact(), *(a_purchase(order_id=str(n), amount="9" * 12, event=n) for n in range(3)))
    assert told.customer <= MAX_MINOR
    assert after(told, a_refund(order_id="1", amount="9" * 12)).paid_orders == 2


def test_an_order_that_two_merged_contacts_have_counts_once() -> None:
    a = after(a_contact("a"), a_purchase(), a_refund(amount="20.00"))
    b = after(a_contact("b"), a_purchase(event=2), a_refund(event=3, amount="30.00"), a_purchase(order_id="B"))
    both = merged(a, b)
    assert (both.past, both.paid_orders) == (1750 + 3500, 2)


def test_all_orders_priced_at_once_come_to_what_they_came_to_one_by_one() -> None:
    told = after(
        a_contact(),
        *(
            a_purchase(event=n, order_id=f"A-{n}", currency=c, amount=f"{n}.33")
            for n, c in enumerate(["USD", "EUR"] * 9)
        ),
        a_purchase(order_id="C", currency="CHF"),
        a_refund(order_id="A-5", amount="1.11"),
    )
    again = pricing.all_of(told.state, told.orders.values(), MODEL)
    assert again == told.state


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_amount_without_a_rate_counts_nothing_until_there_is_one(order: tuple[int, ...]) -> None:
    events = [
        a_purchase(currency="CHF", event=1),
        a_refund(currency="CHF", amount="50.00", event=2),
        a_purchase(order_id="A-2", event=3),
    ]
    told = after(a_contact(), *(events[n] for n in order))
    assert (told.customer, told.unconverted, told.stage) == (3500, {"CHF": 1}, "customer")
    rated = a_model(version="next", pricing="next", rates=Rates("EUR", {"CHF": ((date(2026, 1, 1), Decimal("1.05")),)}))
    priced = pricing.all_of(told.state, told.orders.values(), rated)
    assert (priced.past, priced.unconverted) == (3500 + 1838, {})
    back = after(told, a_refund(currency="CHF", amount="50.00", event=4))
    assert (back.unconverted, facts(back)["paid_orders"]) == ({}, 1), "nothing of it is left to convert"


POUNDS = a_model(
    rates=Rates(
        "EUR", {"USD": ((date(2020, 1, 1), Decimal("0.5")),), "GBP": ((date(2020, 1, 1), Decimal("1.2")),)}
    )
)  # fmt: skip


def an_order(paid: int = 100_00, **fields: object) -> Order:
    return Order(**{"currency": "USD", "paid": paid, "at": NOW.timestamp()} | fields)  # type: ignore[arg-type]


def test_what_goes_back_in_a_third_currency_is_converted_by_way_of_the_base() -> None:
    left = worth(an_order(margin=50_00, refunded={"GBP": 25_00}), POUNDS)
    assert left == (10_00, 20_00, (), True), "25 pounds are 60 dollars: 40 of 100 are left, at a rate of a half"


def test_every_refund_counts_in_whatever_currency_and_order() -> None:
    for refunded in ({"USD": 10_00, "GBP": 25_00}, {"GBP": 25_00, "USD": 10_00}):
        assert worth(an_order(margin=50_00, refunded=refunded), POUNDS).spent == 15_00


def test_what_is_left_of_nothing_is_nothing() -> None:
    nothing = (0, 0, (), False)
    assert worth(None, MODEL) == worth(Order(), MODEL) == nothing
    assert worth(an_order(paid=0), MODEL) == worth(an_order(paid=-5), MODEL) == nothing
    assert (
        worth(an_order(refunded={"USD": 100_00}), MODEL) == worth(an_order(refunded={"USD": 200_00}), MODEL) == nothing
    )
    assert worth(an_order(currency="CHF"), MODEL) == (0, 0, ("CHF",), True)
    assert worth(an_order(paid=1, margin=1, currency="EUR"), MODEL) == (1, 1, (), True), "one cent is one"


def test_a_refund_alone_is_no_order() -> None:
    assert not worth(Order(refunded={"EUR": 5}), MODEL).counts
    assert not worth(an_order(refunded={"USD": 100_00}), MODEL).counts
    assert worth(an_order(refunded={"USD": 99_99}), MODEL).counts
    assert worth(an_order(paid=1), MODEL).counts


def test_an_order_that_went_back_in_another_currency_is_no_purchase_any_more() -> None:
    paid = a_purchase(amount="86.00", currency="EUR")
    part = after(a_contact(), paid, a_refund(amount="99.00", currency="USD"))
    whole = after(part, a_refund(amount="1.00", currency="USD", event=2))
    assert (part.paid_orders, whole.paid_orders, whole.customer) == (1, 0, 0)
    assert after(whole, a_refund(amount="500.00", currency="USD", event=3)).customer == 0, "nor does more than all cost"
    later = pricing.all_of(whole.state, whole.orders.values(), a_model(pricing="next", rates=Rates("EUR", {})))
    assert (later.paid_orders, later.unconverted) == (1, {"USD": 1}), "without a rate nobody can say so"


def test_one_order_is_worth_a_trillion_at_most_and_costs_no_more() -> None:
    whole = an_order(paid=MAX_MINOR, margin=MAX_MINOR, currency="EUR")
    assert worth(whole, MODEL)[:2] == (10**12, 10**12)
    assert worth(an_order(paid=MAX_MINOR, margin=-MAX_MINOR, currency="EUR"), MODEL).margin == -(10**12)


@pytest.mark.parametrize(
    ("counts", "other"),
    [
        (an_order(paid=2), an_order(paid=1, margin=9)),
        (an_order(margin=0), an_order()),
        (an_order(margin=-5), an_order()),
        (an_order(margin=2), an_order(margin=1)),
        (an_order(at=1.0), an_order(at=2.0)),
    ],
    ids=["the larger", "who names a margin", "also a loss", "the larger margin", "the earlier"],
)
def test_of_two_payments_of_one_order_one_counts(counts: Order, other: Order) -> None:
    assert as_one(counts, other) == as_one(other, counts) == counts


def test_the_margin_of_an_order_is_its_own_else_that_of_all_its_items_else_the_default() -> None:
    hats, ties = Item(sku="hat", quantity=3, margin="2.50"), Item(sku="tie", margin="-1.25")
    assert after(a_contact(), a_purchase(items=[hats, ties])).customer == 3 * 250 - 125
    assert after(a_contact(), a_purchase(items=[hats, ties], margin="40.00")).customer == 4000
    assert after(a_contact(), a_purchase(items=[hats, Item(sku="bag")])).customer == 3500, (
        "one does not say: the default"
    )
    assert after(a_contact(), a_purchase(items=[])).customer == 3500
    with pytest.raises(Permanent):
        after(a_contact(), a_purchase(items=[Item(margin="much")]))
