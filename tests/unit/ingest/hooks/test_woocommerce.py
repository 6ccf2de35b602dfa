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
from services.ingest.domain.hooks.senders.woocommerce import HOOK
from tests.unit.ingest.hooks.cases import ANY_JSON, FOLDER, body, incoming, mangled

ORDER: dict[str, Any] = json.loads(body("woocommerce", "order"))
DOCUMENTS = [json.loads(path.read_bytes()) for path in sorted((FOLDER / "woocommerce").glob("*.json"))]
TOPICS = ["order.created", "order.updated", "customer.created", "customer.updated", "product.updated"]
SECRETS = ["old-secret", "new-secret"]


def sign(content: bytes, secret: str) -> str:
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", secret, "-binary"], input=content, capture_output=True, check=True
    )
    return base64.b64encode(made.stdout).decode()


def read(topic: str, document: Any) -> Reading:
    return HOOK.read(incoming(x_wc_webhook_topic=topic), document, {})


def fixture(name: str, **changed: Any) -> dict[str, Any]:
    return {**json.loads(body("woocommerce", name)), **changed}


@pytest.mark.parametrize("secret", SECRETS)
def test_either_secret_verifies_the_raw_body(secret: str) -> None:
    content = body("woocommerce", "order")
    HOOK.verify(incoming(content, x_wc_webhook_signature=sign(content, secret)), SECRETS, {})


@pytest.mark.parametrize(
    "headers", [{}, {"x_wc_webhook_signature": "x"}, {"x_wc_webhook_signature": sign(b"", "old-secret")}]
)
def test_a_wrong_or_missing_signature_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unverified):
        HOOK.verify(incoming(body("woocommerce", "order"), **headers), SECRETS, {})


def test_the_ping_of_a_new_webhook_is_let_through_and_is_nothing() -> None:
    ping = incoming(b"webhook_id=12")
    HOOK.verify(ping, SECRETS, {})
    assert list(HOOK.read(ping, None, {}).ignored) == ["ping"]


@pytest.mark.parametrize(
    "content", [b"webhook_id=12&email=a@example.com", b"webhook_id=", b"webhook_id=x", b"\nwebhook_id=1\n"]
)
def test_nothing_else_passes_for_the_ping(content: bytes) -> None:
    with pytest.raises(Unverified):
        HOOK.verify(incoming(content), SECRETS, {})


@pytest.mark.parametrize("status", ["processing", "completed"])
def test_a_paid_order_is_one_purchase_however_often_it_is_told(status: str) -> None:
    purchase, who = read("order.created", {**ORDER, "status": status}).facts
    data: Any = purchase.data
    assert (data.order_id, data.amount, data.currency, data.coupon) == ("727", "129.90", "EUR", "spring")
    assert [(item.sku, item.name, item.quantity, item.price) for item in data.items] == [
        ("ENG-1", "Engine", 2, "50"),
        (None, "Oil", 1, "19.9"),
    ]
    identity = purchase.identity
    assert (identity.email, identity.phone, identity.user_id) == ("ada@example.com", "+441632960961", "26")
    assert purchase.time == datetime(2026, 3, 10, 9, 55, 21, tzinfo=UTC)
    known: Any = who.data
    assert (known.name, known.traits) == ("Ada Lovelace", {"company": "Analytical Engines", "country": "GB"})
    again = read("order.updated", {**ORDER, "status": status, "date_modified_gmt": "2026-03-12T00:00:00"})
    assert [fact.sender_id for fact in again.facts] == [purchase.sender_id, who.sender_id] == ["order:727", "who:727"]


@pytest.mark.parametrize(
    "status", ["pending", "on-hold", "cancelled", "failed", "checkout-draft", None, 5, ["completed"]]
)
def test_an_order_that_is_not_paid_is_none(status: Any) -> None:
    assert list(read("order.updated", {**ORDER, "status": status}).ignored) == ["order.updated"]


def test_a_guest_has_no_user_id() -> None:
    assert read("order.created", {**ORDER, "customer_id": 0}).facts[0].identity.user_id is None


def test_each_refund_counts_once() -> None:
    facts = read("order.updated", fixture("order_partly_refunded")).facts
    refunds: list[Any] = [fact for fact in facts if fact.type == "purchase.refunded"]
    assert [(each.sender_id, each.data.order_id, each.data.amount) for each in refunds] == [
        ("refund:726", "727", "20.00"),
        ("refund:725", "727", "9.90"),
    ]
    assert [fact.sender_id for fact in facts if fact.type == "purchase.completed"] == ["order:727"]


def test_a_refunded_order_without_a_list_went_back_whole() -> None:
    (refund,) = read("order.updated", {**ORDER, "status": "refunded"}).facts
    data: Any = refund.data
    assert (refund.sender_id, data.amount, data.currency) == ("refund:order-727", "129.90", "EUR")


def test_a_customer_is_known() -> None:
    (who,) = read("customer.created", fixture("customer")).facts
    known: Any = who.data
    assert (who.type, known.name, who.identity.user_id) == ("contact.identified", "Ada Lovelace", "26")
    assert who.time == datetime(2026, 3, 10, 9, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("topic", "document", "at"),
    [
        ("order.created", "text", ["/"]),
        ("order.created", {**ORDER, "id": None}, ["/id"]),
        ("order.created", {**ORDER, "total": "", "currency": ""}, ["/total", "/currency"]),
        ("order.created", {**ORDER, "billing": {}, "customer_id": 0}, ["/billing"]),
        ("order.updated", {**ORDER, "refunds": [{"id": 1, "total": "1"}, {}]}, ["/refunds/1"]),
        ("customer.created", {}, ["/id"]),
        ("order.updated", {**ORDER, "date_modified_gmt": "2026-02-01T00:00:00"}, ["/date_modified_gmt"]),
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
