"""One order of one shop is one, whoever tells of it; its refunds find who bought, whomever they name."""

from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.scoring.consume.batch import Batch
from shared.events.envelope import Decoded
from shared.events.identity import Identity
from shared.events.types import PurchaseCompleted, PurchaseRefunded
from tests.unit.scoring.builders import MODEL, NOW, an_event

SHOP, FILE, OTHER = "/sources/shop", "/sources/history", "/sources/secondshop"


def paid(amount: str, *, source: str = SHOP, shop: str | None = None, order: str = "777", **who: Any) -> Decoded:
    identity = Identity(**({"email": "p1@example.com"} | who), order=order, shop=shop)
    data = PurchaseCompleted(identity=identity, order_id=order, amount=amount, currency="EUR")
    return an_event(data, source=source, name=uuid4())


def back(
    amount: str, *, source: str = SHOP, shop: str | None = None, order: str = "777", total: bool = False, **who: Any
) -> Decoded:
    identity = Identity(**who, order=order, shop=shop)
    data = PurchaseRefunded(identity=identity, order_id=order, amount=amount, currency="EUR", total=total)
    return an_event(data, source=source, name=uuid4())


def values(*events: Decoded) -> dict[str | None, int]:
    """What everybody is worth in cents, by address; a margin of 0.35."""
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    for each in events:
        batch.fold(each)
    return {state.get("email"): state.customer for state in batch.states.values() if state.customer or state.version}


def test_the_same_id_of_two_shops_is_two_orders() -> None:
    assert values(paid("100.00"), paid("40.00", source=OTHER)) == {"p1@example.com": 4900}
    both = paid("100.00"), paid("40.00", source=OTHER), back("40.00", source=OTHER)
    assert values(*both) == {"p1@example.com": 3500}


def test_a_file_and_a_webhook_of_one_shop_tell_of_one_order() -> None:
    file = paid("100.00", source=FILE, shop=SHOP)
    assert values(file, paid("100.00")) == values(paid("100.00"), file) == {"p1@example.com": 3500}
    assert values(paid("100.00", source=FILE), paid("100.00")) == {"p1@example.com": 7000}, "nobody says that it is one"


def test_an_order_is_whose_it_was_first_whatever_address_is_told_of_it_later() -> None:
    assert values(paid("100.00"), paid("100.00", email="new@example.com"))["p1@example.com"] == 3500
    assert sum(values(paid("100.00"), paid("100.00", email="new@example.com")).values()) == 3500


@given(st.permutations(range(3)), st.sampled_from([{}, {"email": "p1@example.com"}, {"email": "else@example.com"}]))
def test_a_refund_finds_who_bought_whomever_it_names_and_whenever_it_comes(
    order: list[int], who: dict[str, Any]
) -> None:
    said = [
        paid("200.00", source=FILE, shop=SHOP),
        back("50.00", **who),
        paid("100.00", order="778", email="q@example.com"),
    ]
    found = values(*(said[each] for each in order))
    assert found["p1@example.com"] == 5250
    assert found["q@example.com"] == 3500


def test_all_that_went_back_until_then_is_not_added_to_what_is_known_of_it() -> None:
    before = [paid("200.00"), back("50.00")]
    assert values(*before, back("150.00", source=FILE, shop=SHOP, total=True)) == {"p1@example.com": 1750}
    assert values(*before, back("50.00", total=True), back("50.00", total=True)) == {"p1@example.com": 5250}
    after = [paid("200.00"), back("150.00", total=True), back("50.00")]
    assert values(*after) == {"p1@example.com": 0}, "one more after the export"
