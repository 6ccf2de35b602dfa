"""The body of a follow-up: what a receiver, a template or a rep needs to know, in one JSON document under 20 KB."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.nurture.domain.enrolment import Enrolment
from services.nurture.domain.mail.recipient import Recipient
from services.nurture.domain.workflow import FOLLOW_UP, Target
from shared.events.updates import ContactView
from shared.money import from_minor

REQUESTED: Final = "followup.requested"
FALLBACK: Final = "followup.fallback"
REPEATED: Final = "followup.repeated"
LARGEST: Final = 20_000  # bytes; Standard Webhooks asks for less than 20 KB

_ENCODER: Final = msgspec.json.Encoder()
_CONTACT: Final = tuple(name for name in ContactView.__struct_fields__ if name not in ("version", "created"))
_LONG_TEXT: Final = 1000
_SHORT_TEXT: Final = 100
_SOME: Final = 10
_TINY: Final = 64  # characters: even if each takes six bytes, the last cut fits
_LONGEST_ADDRESS: Final = 320
_LARGEST_NUMBER: Final = 2**64


def followup_payload(
    delivery_id: UUID,
    enrolment: Enrolment,
    step: str,
    target: Target,
    recipient: Recipient,
    *,
    purpose: str,
    now: datetime,
    deadline: datetime | None,
    kind: str = REQUESTED,
) -> bytes:
    """The body of a webhook, which is also a template's context and a task's details.

    `data` holds the contact, both values as money, the bookings that explain them, the event that started the
    run, the names of workflow, step and target, and the address that it is about with whether that is proven. What
    had to be cut to fit is named in `trimmed`.
    """
    contact, window, trigger = enrolment.contact, enrolment.window, enrolment.trigger
    data: dict[str, Any] = {
        "delivery": delivery_id,
        "enrolment": enrolment.id,
        "workflow": enrolment.workflow,
        "version": enrolment.version,
        "step": step,
        "channel": target.channel,
        "target": target.name,
        "deadline": deadline,
        "purpose": purpose,
        "recipient": {"email": recipient.address, "named": recipient.named, "proven": recipient.proven},
        "contact": {
            **{name: getattr(contact, name) for name in _CONTACT},
            "company": contact.traits.get("company"),
        },
        "lead_value": from_minor(enrolment.values.lead, contact.currency),
        "customer_value": from_minor(enrolment.values.customer, contact.currency),
        "reasons": [
            {
                "value": booking.account,
                "factor": booking.factor,
                "amount": from_minor(booking.amount, contact.currency),
            }
            for booking in enrolment.reasons
        ],
        "event": {
            "id": trigger.id,
            "type": trigger.type,
            "time": trigger.time,
            "source": trigger.source,
            "trust": trigger.trust,
            "data": {key: value for key, value in trigger.data.items() if key != "identity"},
        },
        "window": window
        and {"opened_at": window.opened_at, "closes_at": window.closes_at, "stopped_at": window.stopped_at},
    }
    return _fit({"type": kind, "timestamp": now.astimezone(UTC), "data": data})


def fallback_payload(
    payload: bytes, delivery_id: UUID, step: str, target: Target, *, reason: str, now: datetime
) -> bytes:
    """The same body for the fallback's receiver, with `data.instead_of` naming what was not delivered, and why."""
    body: dict[str, Any] = msgspec.json.decode(payload)
    data = body["data"]
    instead = {key: data.get(key) for key in ("delivery", "step", "channel", "target", "deadline")}
    data |= {
        "delivery": delivery_id,
        "step": step,
        "channel": target.channel,
        "target": target.name,
        "deadline": None,
        "instead_of": {**instead, "reason": reason[:_SHORT_TEXT]},
    }
    return _fit({"type": FALLBACK, "timestamp": now.astimezone(UTC), "data": data})


def addressed(payload: bytes) -> tuple[str | None, str, str | None]:
    """Where a mail with this body goes, its purpose, and the source of the public event that caused it, if any."""
    data = msgspec.json.decode(payload)["data"]
    event = data["event"]
    recipient = data.get("recipient") or data["contact"]  # a body made before it named one
    source = event.get("source") if event.get("trust") == "public" else None
    return recipient.get("email"), data.get("purpose") or FOLLOW_UP, source


def _fit(body: dict[str, Any]) -> bytes:
    """The body within its limit: the least useful is cut first. Contact, values and names are cut last."""
    encoded = _ENCODER.encode(body)
    if len(encoded) < LARGEST:
        return encoded
    body = msgspec.json.decode(encoded)  # plain values, and nobody else's
    data = body["data"]
    for name, cut in _CUTS:
        cut(data)
        data["trimmed"] = sorted({*data.get("trimmed", ()), name})
        encoded = _ENCODER.encode(body)
        if len(encoded) < LARGEST:
            return encoded
    return encoded  # `_cut_to_the_bone` leaves a fixed number of short values, whatever they were


def _cut_event_texts(data: dict[str, Any]) -> None:
    data["event"]["data"] = _shortened(data["event"]["data"], _LONG_TEXT)


def _cut_traits(data: dict[str, Any]) -> None:
    traits = data["contact"].get("traits") or {}
    data["contact"]["traits"] = {
        key: value for key, value in sorted(traits.items())[:_SOME] if len(key) <= _SHORT_TEXT and _is_short(value)
    }
    company = _shortened(data["contact"].get("company"), _SHORT_TEXT)
    data["contact"]["company"] = company if _is_short(company) else None


def _cut_reasons(data: dict[str, Any]) -> None:
    data["reasons"] = data["reasons"][:_SOME]


def _cut_event(data: dict[str, Any]) -> None:
    message = data["event"]["data"].get("message")
    data["event"]["data"] = {"message": message[:_LONG_TEXT]} if isinstance(message, str) else {}


def _cut_all(data: dict[str, Any]) -> None:
    contact = data["contact"]
    whole = {name: contact[name] for name in ("id", "email", "phone")}  # a cut address is somebody else's
    data["contact"] = _shortened({**contact, "traits": {}, "consent": {}}, _SHORT_TEXT) | whole
    data["reasons"] = _shortened(data["reasons"][: _SOME // 2], _SHORT_TEXT)
    data["event"] = _shortened({**data["event"], "data": {}}, _SHORT_TEXT)


def _cut_to_the_bone(data: dict[str, Any]) -> None:
    contact, event, recipient = data["contact"], data["event"], data["recipient"]
    for key, value in data.items():
        if key != "trimmed":
            data[key] = _flat(value)
    data["contact"] = {
        "id": _tiny(contact["id"]),
        **{name: _whole_or_none(contact[name]) for name in ("email", "phone")},
        "proven": contact.get("proven") is True,
        "name": _tiny(contact.get("name")),
        "traits": {},
        "consent": {},
    }
    data["reasons"] = []
    data["recipient"] = {**recipient, "email": _whole_or_none(recipient["email"])}
    data["event"] = {**{name: _tiny(event[name]) for name in ("id", "type", "time", "source", "trust")}, "data": {}}


def _flat(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tiny(each) for key, each in value.items() if len(key) <= _TINY}
    return _tiny(value)


def _tiny(value: Any) -> Any:
    cut = _shortened(value, _TINY) if isinstance(value, str) else value
    return cut if _is_short(cut) else None


def _whole_or_none(address: Any) -> Any:
    return address if isinstance(address, str) and len(address) <= _LONGEST_ADDRESS else None


def _is_short(value: Any) -> bool:
    match value:
        case str():
            return len(value) <= _SHORT_TEXT
        case int():
            return abs(value) < _LARGEST_NUMBER
    return value is None or isinstance(value, float)


def _shortened(value: Any, longest: int) -> Any:
    """The value with every text in it cut to `longest` characters."""
    match value:
        case str():
            return value if len(value) <= longest else value[: longest - 1] + "…"
        case dict():
            return {key: _shortened(each, longest) for key, each in value.items()}
        case list():
            return [_shortened(each, longest) for each in value]
    return value


_CUTS: Final[tuple[tuple[str, Callable[[dict[str, Any]], None]], ...]] = (
    ("event.data", _cut_event_texts),
    ("contact.traits", _cut_traits),
    ("reasons", _cut_reasons),
    ("event.data", _cut_event),
    ("texts", _cut_all),
    ("all but names and addresses", _cut_to_the_bone),
)
