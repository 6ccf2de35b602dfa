"""WooCommerce: paid orders, refunds and customers.

The signature covers the body alone, so an event's id comes from what it is about and never from a header: an order is
one purchase however often it is created and updated, and each of its refunds counts once.

When a webhook is saved, WooCommerce posts `webhook_id=N` without a signature and wants a 200: that is let through, and
is nothing.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.ingest.domain.checks import Wrong, amount_text
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.answers import check_recent
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading
from services.ingest.domain.hooks.parts import (
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
from shared.events.types import ContactIdentified, PurchaseCompleted, PurchaseRefunded

_PING: Final = re.compile(rb"webhook_id=\d{1,20}")
_LONGEST_PING: Final = 40
_PAID: Final = ("processing", "completed")
_MOST_REFUNDS: Final = 100


def _is_ping(incoming: Incoming) -> bool:
    return _PING.fullmatch(incoming.body) is not None


def _verify(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    if not _is_ping(incoming):
        check_body_in_base64(incoming, secrets, "x-wc-webhook-signature")


def _gmt(resource: Mapping[str, Any], name: str) -> Any:
    """A time of WooCommerce is UTC without saying so."""
    stamp = text(resource.get(name))
    return moment(f"{stamp}Z") if stamp is not None else None


def _known(resource: Mapping[str, Any], who: Identity, sender_id: str, time: Any) -> Fact:
    billing = resource.get("billing")
    name = full_name(resource.get("first_name"), resource.get("last_name")) or full_name(
        part(billing, "first_name"), part(billing, "last_name")
    )
    traits = told({"company": text(part(billing, "company")), "country": text(part(billing, "country"))})
    return Fact("contact.identified", who, ContactIdentified(identity=who, name=name, traits=traits), time, sender_id)


def _order(order: dict[str, Any]) -> list[Fact]:
    order_id, status, billing = text(order.get("id"), 100), order.get("status"), order.get("billing")
    if order_id is None:
        raise Refused([Wrong("/id", "is required")])
    if status not in (*_PAID, "refunded"):
        return []
    who = person(
        email=part(billing, "email"),
        phone=part(billing, "phone"),
        country=part(billing, "country"),
        user_id=order.get("customer_id") or None,  # 0 is a guest
    )
    if who is None:
        raise Refused([Wrong("/billing", "needs an e-mail address or a phone number")])
    facts = _refunds(order, who, order_id)
    if status in _PAID:
        total, currency = money(order, "total")
        purchase = PurchaseCompleted(
            identity=who,
            order_id=order_id,
            amount=total,
            currency=currency,
            items=items(order.get("line_items")),
            coupon=text(part(order, "coupon_lines", 0, "code")),
        )
        time = _gmt(order, "date_paid_gmt") or _gmt(order, "date_created_gmt")
        facts += [
            Fact("purchase.completed", who, purchase, time, f"order:{order_id}"),
            _known(order, who, f"who:{order_id}", time),
        ]
    return facts


def _refunds(order: dict[str, Any], who: Identity, order_id: str) -> list[Fact]:
    """All that went back so far, each with its own id. A refunded order that lists none went back whole."""
    listed = order.get("refunds")
    refunds = listed[:_MOST_REFUNDS] if isinstance(listed, list) else []
    if not refunds and order.get("status") == "refunded":
        refunds = [{"id": f"order-{order_id}", "total": order.get("total")}]
    if not refunds:
        return []
    _, currency = money(order, "total")
    time, facts = _gmt(order, "date_modified_gmt"), []
    for index, each in enumerate(refunds):
        refund_id, total = text(part(each, "id")), amount_text(part(each, "total"))
        if refund_id is None or total is None:
            raise Refused([Wrong(f"/refunds/{index}", "must have an id and a total")])
        data = PurchaseRefunded(identity=who, order_id=order_id, amount=total.lstrip("-"), currency=currency)
        facts.append(Fact("purchase.refunded", who, data, time, f"refund:{refund_id}"))
    return facts


def _customer(customer: dict[str, Any]) -> list[Fact]:
    billing = customer.get("billing")
    who = person(
        email=customer.get("email") or part(billing, "email"),
        phone=part(billing, "phone"),
        country=part(billing, "country"),
        user_id=customer.get("id"),
    )
    if who is None:
        raise Refused([Wrong("/id", "is required")])
    stamp = text(customer.get("date_modified_gmt")) or text(customer.get("date_created_gmt")) or ""
    time = _gmt(customer, "date_modified_gmt") or _gmt(customer, "date_created_gmt")
    return [_known(customer, who, f"customer:{who.user_id or who.email}:{stamp}", time)]


_READERS: Final = {
    "order.created": _order,
    "order.updated": _order,
    "customer.created": _customer,
    "customer.updated": _customer,
}


def _read(incoming: Incoming, body: Any, _options: Mapping[str, Any]) -> Reading:
    if _is_ping(incoming):
        return Reading(ignored=("ping",))
    resource = the_object(body)
    topic = incoming.headers.get("x-wc-webhook-topic", "none")
    reader = _READERS.get(topic)
    if reader is None:
        return Reading(ignored=(topic,))
    changed = _gmt(resource, "date_modified_gmt") or _gmt(resource, "date_created_gmt")
    check_recent(changed, incoming.now, "/date_modified_gmt")
    facts = reader(resource)
    return Reading(facts) if facts else Reading(ignored=(topic,))


HOOK: Final = Hook("woocommerce", _verify, _read, header="x-wc-webhook-signature", unsigned=_LONGEST_PING)
