import base64
import json
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.hook import Reading, Unverified
from services.ingest.domain.hooks.senders.shopify import HOOK
from tests.unit.ingest.hooks.cases import ANY_JSON, FOLDER, body, incoming, mangled

ORDER: dict[str, Any] = json.loads(body("shopify", "order"))
DOCUMENTS = [json.loads(path.read_bytes()) for path in sorted((FOLDER / "shopify").glob("*.json"))]
TOPICS = [
    "orders/create", "orders/paid", "refunds/create", "customers/create", "customers/update", "checkouts/create",
    "checkouts/update", "app/uninstalled",
]  # fmt: skip
SECRETS = ["old-secret", "new-secret"]


def sign(content: bytes, secret: str) -> str:
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", secret, "-binary"], input=content, capture_output=True, check=True
    )
    return base64.b64encode(made.stdout).decode()


def read(topic: str, document: Any) -> Reading:
    return HOOK.read(incoming(x_shopify_topic=topic), document, {})


def fixture(name: str, **changed: Any) -> dict[str, Any]:
    return {**json.loads(body("shopify", name)), **changed}


@pytest.mark.parametrize("secret", SECRETS)
def test_either_secret_verifies_the_raw_body(secret: str) -> None:
    content = body("shopify", "order")
    HOOK.verify(incoming(content, x_shopify_hmac_sha256=sign(content, secret)), SECRETS, {})


@pytest.mark.parametrize(
    "signature", ["", "nonsense", "é", sign(b"other", "new-secret"), sign(body("shopify", "order"), "other")]
)
def test_a_wrong_or_missing_signature_is_refused(signature: str) -> None:
    with pytest.raises(Unverified):
        HOOK.verify(incoming(body("shopify", "order"), x_shopify_hmac_sha256=signature), SECRETS, {})


def test_a_missing_header_is_refused() -> None:
    with pytest.raises(Unverified, match="missing"):
        HOOK.verify(incoming(body("shopify", "order")), SECRETS, {})


def test_a_paid_order_is_a_purchase_of_whom_it_names() -> None:
    purchase, who = read("orders/paid", ORDER).facts
    data: Any = purchase.data
    assert (data.order_id, data.amount, data.currency, data.coupon) == ("820982911946154508", "129.90", "EUR", "SPRING")
    assert [(item.sku, item.name, item.quantity, item.price) for item in data.items] == [
        ("ENG-1", "Engine", 2, "50.00"),
        (None, "Oil", 1, "20.00"),
    ]
    identity = purchase.identity
    assert (identity.email, identity.phone, identity.user_id) == (
        "ada@example.com", "+441632960961", "115310627314723954",
    )  # fmt: skip
    assert purchase.time == datetime(2026, 3, 10, 9, 55, 21, tzinfo=UTC)
    known: Any = who.data
    assert (known.name, known.traits) == ("Ada Lovelace", {"company": "Analytical Engines", "country": "GB"})


def test_created_and_paid_are_the_same_purchase() -> None:
    created, paid = read("orders/create", ORDER), read("orders/paid", {**ORDER, "updated_at": "2026-03-12T00:00:00Z"})
    assert [fact.sender_id for fact in created.facts] == [fact.sender_id for fact in paid.facts]
    assert created.facts[0].sender_id == "order:820982911946154508"


@pytest.mark.parametrize("changed", [{"financial_status": "pending"}, {"financial_status": None}, {"test": True}])
def test_an_order_that_brought_no_money_is_none(changed: dict[str, Any]) -> None:
    reading = read("orders/create", {**ORDER, **changed})
    assert (list(reading.facts), list(reading.ignored)) == ([], ["orders/create"])


def test_a_refund_finds_who_bought_by_the_order() -> None:
    (refund,) = read("refunds/create", fixture("refund")).facts
    data: Any = refund.data
    assert (data.order_id, data.amount, data.currency) == ("820982911946154508", "50.00", "EUR")
    assert refund.sender_id == "refund:890088186047892319"
    assert refund.identity.order is not None
    assert refund.identity.order == read("orders/paid", ORDER).facts[0].identity.order


def test_goods_sent_back_without_money_are_no_refund() -> None:
    assert list(read("refunds/create", fixture("refund", transactions=[])).ignored) == ["refunds/create"]


def test_a_customer_is_known_and_what_they_agreed_to() -> None:
    who, consent = read("customers/update", fixture("customer")).facts
    known: Any = who.data
    change: Any = consent.data
    assert (known.name, who.identity.email) == ("Ada Lovelace", "ada@example.com")
    assert who.sender_id == "customer:115310627314723954:2026-03-10T10:55:21+01:00"
    assert (change.channel, change.given) == ("email", True)
    assert consent.time == datetime(2026, 3, 10, 9, 55, tzinfo=UTC)
    withdrawn = fixture("customer", email_marketing_consent={"state": "unsubscribed"})
    assert getattr(read("customers/update", withdrawn).facts[1].data, "given", None) is False
    never = fixture("customer", email_marketing_consent={"state": "not_subscribed"})
    assert [fact.type for fact in read("customers/update", never).facts] == ["contact.identified"]


def test_a_checkout_is_begun_once_whoever_tells_how_often() -> None:
    (begun,) = read("checkouts/create", fixture("checkout")).facts
    data: Any = begun.data
    assert (data.kind, data.what) == ("checkout_started", "Engine, Oil")
    assert data.properties == {
        "amount": "129.90", "currency": "EUR", "checkout_url": "https://shop.example.com/recover?key=1",
    }  # fmt: skip
    (again,) = read("checkouts/update", fixture("checkout", updated_at="2026-03-10T11:00:00Z")).facts
    assert begun.sender_id == again.sender_id


@pytest.mark.parametrize("changed", [{"email": None}, {"completed_at": "2026-03-10T11:00:00Z"}])
def test_a_checkout_of_nobody_or_that_is_done_is_nothing(changed: dict[str, Any]) -> None:
    assert list(read("checkouts/update", fixture("checkout", **changed)).ignored) == ["checkouts/update"]


@pytest.mark.parametrize(
    ("topic", "document", "at"),
    [
        ("orders/paid", [], ["/"]),
        ("orders/paid", {**ORDER, "id": None}, ["/id"]),
        ("orders/paid", {**ORDER, "total_price": "-1"}, ["/total_price"]),
        ("orders/paid", {**ORDER, "total_price": "much", "currency": "euro"}, ["/total_price", "/currency"]),
        ("refunds/create", fixture("refund", order_id=None), ["/order_id"]),
        (
            "refunds/create",
            fixture("refund", transactions=[{"kind": "refund", "status": "success", "amount": "1"}]),
            ["/transactions"],
        ),
        ("customers/create", {}, ["/id"]),
        ("orders/paid", {**ORDER, "updated_at": "2026-02-01T00:00:00Z"}, ["/updated_at"]),  # a copy of long ago
    ],
)
def test_what_cannot_be_done_without_is_named(topic: str, document: Any, at: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        read(topic, document)
    assert [wrong.at for wrong in refused.value.wrong] == at


@given(
    topic=st.sampled_from(TOPICS),
    document=ANY_JSON | st.sampled_from(DOCUMENTS).flatmap(lambda d: mangled(d, ANY_JSON)),
)
def test_no_json_raises_anything_but_refused(topic: str, document: Any) -> None:
    with suppress(Refused):
        read(topic, document)
