import json
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.hooks.hook import Incoming, Unverified
from services.ingest.domain.hooks.senders.stripe import HOOK
from shared.clock import utc_now
from shared.events.identity import Identity
from shared.events.types import ContactIdentified, PurchaseCompleted, PurchaseRefunded
from tests.unit.ingest.hooks.cases import ANY_JSON, FOLDER, body, mangled, read, wrong_in

SESSION = body("stripe", "checkout_session")
SECRETS = ["whsec_old", "whsec_new"]
DOCUMENTS = [json.loads(path.read_bytes()) for path in sorted((FOLDER / "stripe").glob("*.json"))]


def facts(name: str) -> dict[str, Any]:
    return {fact.type: fact for fact in read(HOOK, body("stripe", name)).facts}


def about(name: str, **fields: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(body("stripe", name))
    document["data"]["object"] |= fields
    return document


def verify(header: str | None, now: datetime, content: bytes = SESSION, secrets: list[str] = SECRETS) -> None:
    headers = {} if header is None else {"stripe-signature": header}
    HOOK.verify(Incoming(headers, content, "https://in.example.com/hooks/stripe", now), secrets, {})


def signed(content: bytes = SESSION, secret: str = "whsec_new", at: datetime | None = None) -> str:
    header = stripe.WebhookSignature.generate_signature_header(
        content.decode(), secret, timestamp=int((at or utc_now()).timestamp())
    )
    assert isinstance(header, str)
    return header


@pytest.mark.parametrize("secret", SECRETS)
def test_what_stripe_signs_is_verified_with_either_secret(secret: str) -> None:
    header = signed(secret=secret)
    verify(header, utc_now())
    stripe.Webhook.construct_event(SESSION, header, secret)


def test_one_of_several_signatures_is_enough() -> None:
    good, other = signed(), signed(secret="whsec_other").partition(",")[2]
    stamp, _, signature = good.partition(",")
    header = f"{stamp},{other},{signature},v0=00"
    verify(header, utc_now())
    stripe.Webhook.construct_event(SESSION, header, "whsec_new")


# With names: ids made of the signatures would be others in each process of a test run.
REFUSED = {
    "none": None,
    "empty": "",
    "nonsense": "nonsense",
    "time alone": "t=1773136521",
    "signature alone": "v1=" + "0" * 64,
    "v0": signed().replace("v1=", "v0="),
    "time no number": signed().replace("t=", "t=x"),
    "another time": signed().replace("t=", "t=1"),
    "another secret": signed(secret="whsec_other"),
    "another body": signed(SESSION + b" "),
    "long ago": signed(at=datetime(2020, 1, 1, tzinfo=UTC)),
    "upper case": signed().upper(),
    "another script's digits": "t=٣,v1=0",
    "endless": "t=" + "9" * 400 + ",v1=00",
}


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED)
def test_what_the_official_library_refuses_is_refused(header: str | None) -> None:
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(SESSION, header or "", "whsec_new")
    with pytest.raises(Unverified):
        verify(header, utc_now())


@pytest.mark.parametrize("header", [REFUSED["time alone"], REFUSED["signature alone"]])
def test_what_is_missing_is_said(header: str) -> None:
    with pytest.raises(Unverified, match="has no t or no v1"):
        verify(header, utc_now())


@pytest.mark.parametrize(("seconds", "fresh"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_a_signature_is_good_for_five_minutes_both_ways(seconds: int, fresh: bool) -> None:
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    header = signed(at=datetime.fromtimestamp(now.timestamp() + seconds, UTC))
    if fresh:
        verify(header, now)
    else:
        with pytest.raises(Unverified, match="too far"):
            verify(header, now)


def test_a_checkout_is_a_purchase_and_tells_who_the_customer_is() -> None:
    found = facts("checkout_session")
    purchase, who = found["purchase.completed"], found["contact.identified"]
    assert (purchase.data.order_id, purchase.data.amount, purchase.data.currency) == ("pi_1", "129.90", "EUR")
    assert purchase.sender_id == "order:pi_1"
    assert purchase.time == datetime(2026, 3, 10, 9, 55, 21, tzinfo=UTC)
    identity = purchase.identity
    assert (identity.email, identity.phone, identity.user_id) == ("ada@example.com", "+441632960961", "cus_Ada")
    assert (who.identity, who.data.name, who.data.traits) == (identity, "Ada Lovelace", {"country": "GB"})
    assert who.sender_id == "evt_checkout_session"


def test_a_checkout_counts_once_it_is_paid() -> None:
    assert set(facts("checkout_unpaid")) == {"contact.identified"}
    assert facts("checkout_paid_later")["purchase.completed"].sender_id == "order:pi_1"


def test_all_events_of_one_payment_are_one_event() -> None:
    invoice, payment = facts("invoice")["purchase.completed"], facts("payment_intent")["purchase.completed"]
    assert invoice.sender_id == payment.sender_id == "order:pi_2"
    assert invoice.data.order_id == payment.data.order_id == "pi_2"
    assert (
        (invoice.data.amount, invoice.data.currency) == (payment.data.amount, payment.data.currency) == ("49.00", "USD")
    )
    assert payment.identity.user_id == "cus_Ada"
    # A subscription's Checkout and, since 2025, its invoice do not name the payment; they tell who it is.
    assert set(facts("checkout_subscription")) == set(facts("invoice_clover")) == {"contact.identified"}


def test_an_invoice_that_lists_its_one_payment_names_it() -> None:
    payments = {"data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_2"}}]}
    document = about("invoice_clover", payments=payments)
    assert [fact.sender_id for fact in read(HOOK, document).facts] == ["evt_invoice_clover", "order:pi_2"]
    document = about("invoice_clover", payments={"data": payments["data"] * 2})
    assert [fact.type for fact in read(HOOK, document).facts] == ["contact.identified"]


def test_an_invoice_paid_outside_of_stripe_is_its_own_order_and_a_free_one_none() -> None:
    document = about("invoice", payment_intent=None, paid_out_of_band=True)
    assert [fact.sender_id for fact in read(HOOK, document).facts] == ["evt_invoice", "order:in_1"]
    document = about("invoice", payment_intent=None, amount_paid=0)
    assert [fact.type for fact in read(HOOK, document).facts] == ["contact.identified"]


def test_a_refund_is_what_went_back_now_and_of_the_same_order() -> None:
    refund = facts("charge_refunded")["purchase.refunded"]
    assert (refund.data.order_id, refund.data.amount, refund.data.currency) == ("pi_1", "20.00", "EUR")
    assert refund.sender_id == "refund:ch_1:7000"
    assert refund.identity.email == "ada@example.com"


def test_a_customer_is_identified_by_the_id_that_payments_carry() -> None:
    who = facts("customer")["contact.identified"]
    assert (who.identity.email, who.identity.user_id) == ("ada@example.com", "cus_Ada")
    assert who.data.traits == {"country": "GB", "locale": "en-GB"}
    (several,) = read(HOOK, about("customer", preferred_locales=["de", "en-GB"])).facts
    assert isinstance(several.data, ContactIdentified)
    assert several.data.traits["locale"] == "de", "the one that she prefers"


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [
        ("eur", 12990, "129.90"),
        ("jpy", 500, "500"),
        ("mga", 500, "500"),  # no decimals at Stripe, two in ISO 4217
        ("kwd", 5120, "5.120"),
        ("isk", 500, "5.00"),  # two that are always 00
        ("ugx", 500, "5.00"),
        ("huf", 1045, "10.45"),
        ("usd", 1, "0.01"),
    ],
)
def test_amounts_are_in_the_currency_as_people_write_it(currency: str, minor: int, amount: str) -> None:
    (fact,) = read(HOOK, about("payment_intent", currency=currency, amount_received=minor)).facts
    data: Any = fact.data
    assert (data.amount, data.currency) == (amount, currency.upper())


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (json.loads(body("stripe", "refund_created")), "refund.created"),
        ({"id": "evt_1", "type": "invoice.created", "data": {"object": {"id": "in_1"}}}, "invoice.created"),
        (about("payment_intent", customer=None), "payment_intent.succeeded"),  # a guest: Checkout knows who
        ({}, "none"),
    ],
)
def test_what_is_nothing_to_us_is_ignored_by_its_type(document: Any, kind: str) -> None:
    reading = read(HOOK, document)
    assert (list(reading.facts), list(reading.ignored)) == ([], [kind])


@pytest.mark.parametrize(
    ("document", "at"),
    [
        ([], "/"),
        (None, "/"),
        (about("checkout_session", amount_total="129.90"), "/data/object/amount_total"),
        (about("checkout_session", amount_total=-1), "/data/object/amount_total"),
        (about("checkout_session", amount_total=10**15), "/data/object/amount_total"),
        (about("payment_intent", currency=None), "/data/object/currency"),
        (about("charge_refunded", amount_refunded=4000), "/data/object/amount_refunded"),
    ],
)
def test_money_that_cannot_be_read_is_named(document: Any, at: str) -> None:
    assert [wrong.at for wrong in wrong_in(HOOK, document)] == [at]


def test_an_odd_address_does_not_cost_a_purchase() -> None:
    details = {"email": "ada at example", "phone": "call me", "name": 5, "address": []}
    found = {fact.type: fact for fact in read(HOOK, about("checkout_session", customer_details=details)).facts}
    identity = found["purchase.completed"].identity
    assert (identity.email, identity.phone, identity.user_id) == (None, None, "cus_Ada")


@given(ANY_JSON | st.sampled_from(DOCUMENTS).flatmap(lambda each: mangled(each, ANY_JSON)))
def test_no_json_raises_anything_but_refused(document: Any) -> None:
    wrong_in(HOOK, document)


@given(st.text(max_size=100) | st.from_regex(r"t=\d*,v1=[0-9a-f]*", fullmatch=True))
def test_no_header_raises_anything_but_unverified(header: str) -> None:
    with pytest.raises(Unverified):
        verify(header, utc_now())


def test_what_stripe_does_in_test_mode_is_no_money_unless_the_source_says_so() -> None:
    document = json.loads(SESSION) | {"livemode": False}
    assert read(HOOK, document).facts == ()
    assert read(HOOK, about("checkout_session", livemode=False)).facts == ()
    assert read(HOOK, document).ignored == ("checkout.session.completed in test mode",)
    assert read(HOOK, document, test_mode=True).facts


def test_a_guests_refund_is_led_to_who_paid_by_its_order() -> None:
    guest = about("checkout_session", customer=None)
    (paid,) = [fact for fact in read(HOOK, guest).facts if fact.type == "purchase.completed"]
    nobody = about("charge_refunded", customer=None, receipt_email=None, billing_details={})
    (refund,) = read(HOOK, nobody).facts
    assert isinstance(refund.data, PurchaseRefunded)
    assert isinstance(paid.data, PurchaseCompleted)
    assert refund.identity == Identity(order=refund.data.order_id)
    assert refund.identity.order == paid.identity.order == paid.data.order_id
