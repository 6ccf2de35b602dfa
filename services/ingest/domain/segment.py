"""Segment's HTTP API: track, identify, page, screen, group, alias, alone or in a batch."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.ingest.domain.checks import Fields, Wrong, amount_text
from services.ingest.domain.fact import Fact, Refused, read_campaign
from services.ingest.domain.plain import read_items
from services.ingest.domain.segment_names import LEADS, PURCHASES, REFUNDS, kind_of
from shared.events.identity import Identity, normalise_email, normalise_phone
from shared.events.types import (
    Campaign,
    ContactIdentified,
    EngagementRecorded,
    LeadCaptured,
    PurchaseCompleted,
    PurchaseRefunded,
)

TYPES: Final = ("track", "identify", "page", "screen", "group", "alias")
_LONGEST_ID: Final = 100
_TRAITS_AS: Final = {"timezone": "time_zone"}


def read_segment(
    message: Mapping[str, Any], kind: str, *, at: str = "", sent: datetime | None = None, now: datetime
) -> Fact:
    """One message. `sent` is when the client says it sent it: the difference to `now` corrects its clock.

    Raises Refused with every wrong field.
    """
    fields = Fields(message, at)
    context = fields.inner("context") or Fields({}, f"{at}/context", fields.wrong)
    traits = {**context.free("traits"), **fields.free("traits")}
    properties = fields.free("properties")
    identity = _identity(fields, traits, properties)
    time = corrected(fields.time("timestamp"), sent if sent is not None else fields.time("sentAt"), now)
    sender_id = fields.text("messageId", _LONGEST_ID)
    if kind == "alias":
        previous = fields.required(fields.opaque, "previousId")
        identity = Identity(user_id=identity.user_id, email=identity.email, anonymous_id=previous)
    event_type, data = _content(kind, fields, context=context, traits=traits, properties=properties, identity=identity)
    if fields.wrong:
        raise Refused(fields.wrong)
    return Fact(event_type, identity, data, time, sender_id)


def corrected(time: datetime | None, sent: datetime | None, now: datetime) -> datetime | None:
    """When it truly happened: `received - (sentAt - timestamp)`, so that a wrong clock does not matter."""
    if time is None or sent is None:
        return time
    try:
        return min(now, now - (sent - time)).astimezone(UTC)
    except OverflowError:
        return now


def _identity(fields: Fields, traits: Mapping[str, Any], properties: Mapping[str, Any]) -> Identity:
    before = len(fields.wrong)
    user_id, anonymous_id = fields.opaque("userId"), fields.opaque("anonymousId")
    email = _first(normalise_email, traits.get("email"), properties.get("email"), user_id)
    phone = _first(normalise_phone, traits.get("phone"), properties.get("phone"))
    identity = Identity(email=email, phone=phone, user_id=user_id, anonymous_id=anonymous_id)
    if identity == Identity() and len(fields.wrong) == before:
        fields.wrong.append(Wrong(f"{fields.at}/userId", "needs one of userId or anonymousId"))
    return identity


def _first(rule: Any, *values: object) -> str | None:
    """The first value that the rule takes: in traits, a bad address is a trait and not an error."""
    for value in values:
        if isinstance(value, str) and value:
            try:
                found: str = rule(value)
            except ValueError:
                continue
            return found
    return None


def _content(
    kind: str,
    fields: Fields,
    *,
    context: Fields,
    traits: dict[str, Any],
    properties: dict[str, Any],
    identity: Identity,
) -> tuple[str, Any]:
    campaign = read_campaign(context.inner("campaign"))
    if kind in ("identify", "group", "alias"):
        known = {_TRAITS_AS.get(name, name): value for name, value in traits.items() if name not in ("email", "phone")}
        for name in ("timezone", "locale"):
            known.setdefault(_TRAITS_AS.get(name, name), context.text(name))
        known = {name: value for name, value in known.items() if value is not None}
        if kind == "group" and isinstance(known.get("name"), str):
            known["company"] = known.pop("name")
        return "contact.identified", ContactIdentified(identity=identity, name=_name(known), traits=known)
    if kind in ("page", "screen"):
        page = context.inner("page") or Fields({}, "", fields.wrong)
        what = _text(properties.get("url")) or page.text("url", 2000) or fields.text("name")
        return "engagement.recorded", _engagement(identity, f"{kind}_viewed", what, campaign, properties)
    event = fields.required(fields.text, "event") or ""
    name = event.lower()
    if name in PURCHASES or name in REFUNDS:
        return _order(name, fields, properties, identity)
    if name in LEADS:
        lead = LeadCaptured(identity=identity, name=_name(traits), campaign=campaign, interest=event, traits=properties)
        return "lead.captured", lead
    return "engagement.recorded", _engagement(identity, kind_of(event), event, campaign, properties)


def _order(name: str, fields: Fields, properties: dict[str, Any], identity: Identity) -> tuple[str, Any]:
    inner = Fields(properties, f"{fields.at}/properties", fields.wrong)
    order_id = inner.required(inner.text, "order_id") or ""
    amount = next((a for a in (amount_text(properties.get(n)) for n in ("total", "revenue", "value")) if a), None)
    if amount is None:
        inner.note("total", "is required, as a number")
    currency = inner.currency("currency") or "USD"  # Segment's own default
    if name in REFUNDS:
        return "purchase.refunded", PurchaseRefunded(
            identity=identity, order_id=order_id, amount=amount or "0", currency=currency
        )
    return "purchase.completed", PurchaseCompleted(
        identity=identity,
        order_id=order_id,
        amount=amount or "0",
        currency=currency,
        items=read_items(inner, "products"),
        coupon=inner.text("coupon"),
    )


def _engagement(
    identity: Identity, kind: str, what: str | None, campaign: Campaign | None, properties: dict[str, Any]
) -> EngagementRecorded:
    return EngagementRecorded(identity=identity, kind=kind, what=what, campaign=campaign, properties=properties)


def _text(value: object) -> str | None:
    return value[:2000] if isinstance(value, str) and value else None


def _name(traits: Mapping[str, Any]) -> str | None:
    whole = _text(traits.get("name"))
    if whole:
        return whole
    parts = [_text(traits.get(name)) for name in ("firstName", "lastName")]
    return " ".join(part for part in parts if part) or None
