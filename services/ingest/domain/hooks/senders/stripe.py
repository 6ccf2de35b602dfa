"""Stripe: payments, refunds and customers.

One payment is one order, whatever tells of it, and its id is the PaymentIntent's: the only id that Checkout, invoices,
PaymentIntents and charges share in every API version, and the only one that a refund names; a charge that has none is
its own. So:

- a Checkout session is a purchase when it has a PaymentIntent; with a subscription the invoice's payment is;
- `invoice.paid` is a purchase when it names its PaymentIntent. Since API 2025-03-31 it names none, and then the
  money comes as `payment_intent.succeeded` alone: the invoice tells who the customer is;
- all events of one payment have the same event id: the first one counts, the others are repetitions of it;
- `refund.created` names no person and would count `charge.refunded` twice: it is ignored.

Events of the test mode are no money and nobody's: they are ignored unless the source's option `test_mode` is true.

A customer's id is the contact's user id, so that events with no address find their contact.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from msgspec import structs

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, Unverified, sha256
from services.ingest.domain.hooks.parts import moment, part, person, text, the_object, told, whole
from services.ingest.domain.hooks.signatures import check_age, check_match, header
from shared.events.identity import Identity
from shared.events.types import ConsentChanged, ContactIdentified, PurchaseCompleted, PurchaseRefunded
from shared.money import is_currency

# https://docs.stripe.com/currencies: not ISO 4217's decimals. ISK and UGX are sent with two that are always 00.
_DECIMALS: Final = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"), 0
    ),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}
_LARGEST: Final = 10**12
_MOST_PARTS: Final = 50


def _verify(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    pairs = [each.strip().partition("=") for each in header(incoming, "stripe-signature").split(",")[:_MOST_PARTS]]
    stamp = next((value for name, _, value in pairs if name == "t"), "")
    given = [value for name, _, value in pairs if name == "v1"]  # v0 is for Stripe's own tests
    if not stamp or not given:
        raise Unverified("the header stripe-signature has no t or no v1")
    signed = stamp.encode("utf-8", "replace") + b"." + incoming.body
    check_match(given, [sha256(secret.encode(), signed).hex() for secret in secrets])
    check_age(stamp, incoming.now)


class _Event:
    """One Stripe event, and the object that it is about."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.id = text(body.get("id"))
        self.type = text(body.get("type")) or "none"
        self.time = moment(body.get("created"))
        self.object: Any = part(body, "data", "object")

    def get(self, *path: str | int) -> Any:
        return part(self.object, *path)

    def id_of(self, name: str) -> str | None:
        """The id of an object that may be expanded."""
        value = self.get(name)
        return text(value.get("id")) if isinstance(value, dict) else text(value)

    def money(self, name: str, less: int = 0) -> tuple[str, str]:
        """Amount and currency. Raises Refused."""
        minor, currency = whole(self.get(name)), (text(self.get("currency")) or "").upper()
        wrong = []
        if minor is None or not 0 <= minor - less < _LARGEST:
            wrong.append(Wrong(f"/data/object/{name}", "must be a whole number of minor units"))
        if not is_currency(currency):
            wrong.append(Wrong("/data/object/currency", "must be an ISO 4217 code such as eur"))
        if wrong or minor is None:
            raise Refused(wrong)
        return f"{Decimal(minor - less).scaleb(-_DECIMALS.get(currency, 2)):f}", currency

    def purchase(self, who: Identity, order_id: str, amount_in: str) -> Fact:
        amount, currency = self.money(amount_in)
        data = PurchaseCompleted(identity=who, order_id=order_id, amount=amount, currency=currency)
        return Fact("purchase.completed", who, data, self.time, f"order:{order_id}")

    def identified(self, who: Identity, name: Any, traits: Mapping[str, Any]) -> Fact:
        data = ContactIdentified(identity=who, name=text(name), traits=told(traits))
        return Fact("contact.identified", who, data, self.time, self.id)


def _with_order(who: Identity, order_id: str | None) -> Identity:
    return who if order_id is None else structs.replace(who, order=order_id)


def _session(event: _Event) -> list[Fact]:
    details = event.get("customer_details")
    who = person(
        email=part(details, "email") or event.get("customer_email"),
        phone=part(details, "phone"),
        user_id=event.id_of("customer"),
    )
    if who is None:
        return []
    who = _with_order(who, event.id_of("payment_intent"))
    country = text(part(details, "address", "country"))
    facts = [event.identified(who, part(details, "name"), {"country": country})]
    payment = event.id_of("payment_intent")
    if payment is not None and event.get("payment_status") == "paid":
        facts.append(event.purchase(who, payment, "amount_total"))
    promotions = event.get("consent", "promotions")  # what the box of Checkout says
    if promotions in ("opt_in", "opt_out"):
        said = ConsentChanged(
            identity=who, channel="email", given=promotions == "opt_in", purpose="marketing", proof="Stripe Checkout"
        )
        facts.append(Fact("consent.changed", who, said, event.time, f"consent:{text(event.get('id')) or event.id}"))
    return facts


def _invoice(event: _Event) -> list[Fact]:
    who = person(email=event.get("customer_email"), phone=event.get("customer_phone"), user_id=event.id_of("customer"))
    if who is None:
        return []
    country = text(event.get("customer_address", "country"))
    payment = event.id_of("payment_intent") or _only_payment(event.get("payments", "data"))
    who = _with_order(who, payment)
    facts = [event.identified(who, event.get("customer_name"), {"country": country})]
    if payment is None and part(event.object, "payment_intent") is None and "payment_intent" in event.object:
        payment = text(event.get("id"))  # an older API, which would name it: paid outside of Stripe
    if payment is not None and event.get("amount_paid") != 0:
        facts.append(event.purchase(who, payment, "amount_paid"))
    return facts


def _only_payment(payments: Any) -> str | None:
    """The PaymentIntent of an invoice that was paid in one go; several are told of one by one."""
    if not isinstance(payments, list) or len(payments) != 1:
        return None
    return text(part(payments[0], "payment", "payment_intent"))


def _payment(event: _Event) -> list[Fact]:
    who = person(email=event.get("receipt_email"), user_id=event.id_of("customer"))
    order_id = text(event.get("id"))
    if who is None or order_id is None:  # a guest: the Checkout session knows the address
        return []
    return [event.purchase(_with_order(who, order_id), order_id, "amount_received")]


def _charge(event: _Event) -> list[Fact]:
    """The payment of a charge; one without PaymentIntent is its own."""
    who = person(
        email=event.get("billing_details", "email") or event.get("receipt_email"),
        phone=event.get("billing_details", "phone"),
        user_id=event.id_of("customer"),
    )
    order_id = event.id_of("payment_intent") or text(event.get("id"))
    if who is None or order_id is None or event.get("captured") is False or event.get("paid") is False:
        return []
    return [event.purchase(_with_order(who, order_id), order_id, "amount")]


def _refund(event: _Event) -> list[Fact]:
    """What went back now: `amount_refunded` counts up, and the event says what it was before.

    A guest's refund names nobody: its order leads to who paid.
    """
    charge = text(event.get("id"))
    order_id = event.id_of("payment_intent") or charge
    if order_id is None or charge is None:
        return []
    who = person(
        email=event.get("billing_details", "email") or event.get("receipt_email"),
        phone=event.get("billing_details", "phone"),
        user_id=event.id_of("customer"),
        order=order_id,
    )
    assert who is not None
    before = whole(part(event.body, "data", "previous_attributes", "amount_refunded")) or 0
    amount, currency = event.money("amount_refunded", before)
    data = PurchaseRefunded(identity=who, order_id=order_id, amount=amount, currency=currency)
    return [Fact("purchase.refunded", who, data, event.time, f"refund:{charge}:{event.get('amount_refunded')}")]


def _customer(event: _Event) -> list[Fact]:
    who = person(email=event.get("email"), phone=event.get("phone"), user_id=event.get("id"))
    if who is None:
        return []
    locale = text(event.get("preferred_locales", 0))
    return [
        event.identified(who, event.get("name"), {"country": text(event.get("address", "country")), "locale": locale})
    ]


_READERS: Final[Mapping[str, Callable[[_Event], list[Fact]]]] = {
    "checkout.session.completed": _session,
    "checkout.session.async_payment_succeeded": _session,
    "invoice.paid": _invoice,
    "payment_intent.succeeded": _payment,
    "charge.succeeded": _charge,
    "charge.captured": _charge,
    "charge.refunded": _refund,
    "customer.created": _customer,
    "customer.updated": _customer,
}


def _read(_incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    event = _Event(the_object(body))
    if False in (event.body.get("livemode"), event.get("livemode")) and options.get("test_mode") is not True:
        return Reading(ignored=(f"{event.type} in test mode",))
    reader = _READERS.get(event.type)
    facts = reader(event) if reader is not None and isinstance(event.object, dict) else []
    return Reading(facts) if facts else Reading(ignored=(event.type,))


HOOK: Final = Hook("stripe", _verify, _read, header="stripe-signature", options=frozenset({"test_mode"}))
