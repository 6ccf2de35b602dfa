"""Shopify: paid orders, refunds, customers and begun checkouts.

The signature covers the body alone, so nothing of the headers makes an event's id: what an event is about does, and a
webhook that is sent again, or under another `X-Shopify-Webhook-Id`, is the same event. `orders/create` and
`orders/paid` of one order are one purchase.

A refund names its order and no person. The purchase therefore carries the order as an identity, which leads the
refund to whoever bought.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.answers import check_recent
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading
from services.ingest.domain.hooks.parts import (
    amount,
    full_name,
    items,
    moment,
    money,
    part,
    person,
    text,
    the_object,
    told,
)
from services.ingest.domain.hooks.signatures import check_body_in_base64
from shared.events.identity import Identity
from shared.events.types import (
    ConsentChanged,
    ContactIdentified,
    EngagementRecorded,
    PurchaseCompleted,
    PurchaseRefunded,
)
from shared.limits import LONGEST_URL
from shared.money import is_currency

_GONE: Final = ("success", "pending")  # a failed refund is none
_STATES: Final = {"subscribed": True, "unsubscribed": False, "redacted": False, "invalid": False}
_MOST_TRANSACTIONS: Final = 100
_Resource = dict[str, Any]


def _verify(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    check_body_in_base64(incoming, secrets, "x-shopify-hmac-sha256")


def _who(resource: _Resource, order_id: str | None = None) -> Identity | None:
    return person(
        email=resource.get("email") or part(resource, "customer", "email"),
        phone=resource.get("phone")
        or part(resource, "customer", "phone")
        or part(resource, "billing_address", "phone"),
        country=part(resource, "billing_address", "country_code"),
        user_id=part(resource, "customer", "id"),
        order=order_id,
    )


def _known(customer: Any, address: Any) -> tuple[str | None, dict[str, Any]]:
    """The customer's name and traits."""
    name = full_name(part(customer, "first_name"), part(customer, "last_name")) or text(part(address, "name"))
    return name, told({"company": text(part(address, "company")), "country": text(part(address, "country_code"))})


def _id(resource: _Resource, name: str = "id") -> str:
    found = text(resource.get(name), 100)
    if found is None:
        raise Refused([Wrong(f"/{name}", "is required")])
    return found


def _order(order: _Resource) -> list[Fact]:
    if order.get("financial_status") != "paid" or order.get("test") is True:
        return []
    order_id = _id(order)
    who = _who(order, order_id)
    assert who is not None
    total, currency = money(order, "total_price")
    purchase = PurchaseCompleted(
        identity=who,
        order_id=order_id,
        amount=total,
        currency=currency,
        items=items(order.get("line_items")),
        coupon=text(part(order, "discount_codes", 0, "code")),
    )
    time = moment(order.get("processed_at")) or moment(order.get("created_at"))
    name, traits = _known(order.get("customer"), order.get("billing_address"))
    return [
        Fact("purchase.completed", who, purchase, time, f"order:{order_id}"),
        Fact(
            "contact.identified",
            who,
            ContactIdentified(identity=who, name=name, traits=traits),
            time,
            f"who:{order_id}",
        ),
    ]


def _refund(refund: _Resource) -> list[Fact]:
    order_id, refund_id = _id(refund, "order_id"), _id(refund)
    total, currency = Decimal(0), None
    transactions = refund.get("transactions")
    for each in transactions[:_MOST_TRANSACTIONS] if isinstance(transactions, list) else ():
        if part(each, "kind") != "refund" or part(each, "status") not in _GONE:
            continue
        went, currency = amount(part(each, "amount")), (text(part(each, "currency")) or "").upper()
        if went is None or not is_currency(currency):
            raise Refused([Wrong("/transactions", "must each have an amount and a currency")])
        total += Decimal(went)
    if currency is None:  # goods were returned, but no money
        return []
    who = Identity(order=order_id)
    data = PurchaseRefunded(identity=who, order_id=order_id, amount=f"{total:f}", currency=currency)
    time = moment(refund.get("processed_at")) or moment(refund.get("created_at"))
    return [Fact("purchase.refunded", who, data, time, f"refund:{refund_id}")]


def _customer(customer: _Resource) -> list[Fact]:
    customer_id = _id(customer)
    address = customer.get("default_address")
    country = part(address, "country_code")
    who = person(
        email=customer.get("email"),
        phone=customer.get("phone") or part(address, "phone"),
        country=country,
        user_id=customer_id,
    )
    assert who is not None
    name, traits = _known(customer, address)
    stamp = text(customer.get("updated_at")) or ""
    time = moment(stamp)
    facts = [
        Fact(
            "contact.identified",
            who,
            ContactIdentified(identity=who, name=name, traits=traits),
            time,
            f"customer:{customer_id}:{stamp}",
        )
    ]
    return [*facts, *_consents(customer, who, customer_id, time)]


def _consents(resource: _Resource, who: Identity, customer_id: str, time: datetime | None) -> list[Fact]:
    """What the customer says of mails and of text messages. An address that is invalid or redacted wants none."""
    facts = []
    for channel in ("email", "sms"):
        consent = resource.get(f"{channel}_marketing_consent")
        given = _STATES.get(text(part(consent, "state")) or "")
        if given is None:
            continue
        since = text(part(consent, "consent_updated_at")) or ""
        state = part(consent, "state")
        change = ConsentChanged(identity=who, channel=channel, given=given, proof=f"Shopify customer, {state}")
        name = "consent" if channel == "email" else f"consent-{channel}"
        facts.append(
            Fact("consent.changed", who, change, moment(since) or time, f"{name}:{customer_id}:{state}:{since}")
        )
    return facts


def _consent_update(change: _Resource) -> list[Fact]:
    """https://shopify.dev/docs/api/admin-rest/latest/resources/webhook: customers_email_marketing_consent/update."""
    customer_id = text(change.get("customer_id"), 100)
    who = person(
        email=change.get("email_address") or change.get("email"),
        phone=change.get("phone") or change.get("phone_number"),
        user_id=customer_id,
    )
    if who is None:
        raise Refused([Wrong("/customer_id", "is required")])
    return _consents(change, who, customer_id or who.email or "unknown", None)


def _checkout(checkout: _Resource) -> list[Fact]:
    """One engagement a checkout, once it is known whose it is."""
    who = _who(checkout)
    token = text(checkout.get("token")) or text(checkout.get("id"))
    if who is None or token is None or checkout.get("completed_at") is not None:
        return []
    properties = {
        "amount": amount(checkout.get("total_price")),
        "currency": text(checkout.get("currency")),
        "checkout_url": text(checkout.get("abandoned_checkout_url"), LONGEST_URL),
    }
    what = ", ".join(each.name for each in items(checkout.get("line_items"))[:10] if each.name) or None
    data = EngagementRecorded(identity=who, kind="checkout_started", what=text(what), properties=told(properties))
    return [Fact("engagement.recorded", who, data, moment(checkout.get("created_at")), f"checkout:{token}")]


_READERS: Final[Mapping[str, Callable[[_Resource], list[Fact]]]] = {
    "orders/create": _order,
    "orders/paid": _order,
    "refunds/create": _refund,
    "customers/create": _customer,
    "customers/update": _customer,
    "customers_email_marketing_consent/update": _consent_update,
    "customers_sms_marketing_consent/update": _consent_update,
    "customers_marketing_consent/update": _consent_update,  # of text messages, by the topic's older name
    "customers/email_marketing_consent_update": _consent_update,
    "checkouts/create": _checkout,
    "checkouts/update": _checkout,
}


def _consented(resource: _Resource) -> datetime | None:
    times = (moment(part(resource, f"{each}_marketing_consent", "consent_updated_at")) for each in ("email", "sms"))
    return next((each for each in times if each is not None), None)


def _read(incoming: Incoming, body: Any, _options: Mapping[str, Any]) -> Reading:
    resource = the_object(body)
    topic = incoming.headers.get("x-shopify-topic", "none")
    reader = _READERS.get(topic)
    if reader is None:
        return Reading(ignored=(topic,))
    changed = moment(resource.get("updated_at")) or moment(resource.get("created_at")) or _consented(resource)
    check_recent(changed, incoming.now, "/updated_at")
    facts = reader(resource)
    return Reading(facts) if facts else Reading(ignored=(topic,))


HOOK: Final = Hook("shopify", _verify, _read, header="x-shopify-hmac-sha256")
