"""SendGrid's Event Webhook: bounces, spam reports, unsubscribes. A list of events a time.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event: the secret stands in the URL. With the option
`verification_key` (a reference) each request has to be signed too, as …/getting-started-event-webhook-security-features
says: ECDSA with SHA-256 over the timestamp and the body.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, Signed, Unverified
from services.ingest.domain.hooks.mailing.words import PURPOSE, consent, purpose_of
from services.ingest.domain.hooks.parts import moment, part, text
from services.ingest.domain.hooks.signatures import header
from services.ingest.domain.hooks.told import check_told

_MOST_EVENTS: Final = 2500
KEY: Final = "verification_key"
_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
# A public key on the curve P-256 in DER (RFC 5480): this, and the point.
_P256: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_POINT: Final = 65
_DROPPED: Final = ("bounced", "unsubscribed", "spam", "invalid")  # SendGrid's reasons for good


def _signed(incoming: Incoming, _body: Any, options: Mapping[str, Any]) -> Signed | None:
    """An old one may come again: events have ids of their own, and one is never taken twice."""
    if options.get(KEY) is None:
        return None
    given, stamp = header(incoming, _SIGNATURE), header(incoming, _TIMESTAMP)
    try:
        signature = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise Unverified("the signature must be base64") from None
    text_signed = stamp.encode("latin-1", "replace") + incoming.body
    return Signed(text_signed, signature, "ecdsa-sha256", key=_key(options[KEY]) or b"")


def _key(written: str) -> bytes | None:
    """The key as SendGrid shows it, base64 without a header, or as a PEM file; None when it is none."""
    bare = "".join(line for line in written.splitlines() if not line.startswith("-----"))
    try:
        found = base64.b64decode("".join(bare.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if found.startswith(_P256) and len(found) == len(_P256) + _POINT else None


def _unfit(options: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if options.get(KEY) is not None and _key(options[KEY]) is None:
        yield KEY, "must be the Verification Key that SendGrid shows below Signed Event Webhook"


def _read(_incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    if not isinstance(body, list) or len(body) > _MOST_EVENTS:
        raise Refused([Wrong("/", "must be a list of events")])
    if not body:
        return Reading(ignored=("an empty list",))
    facts, ignored, wrong = list[Fact](), list[str](), list[Wrong]()
    for place, event in enumerate(body):
        kind = text(part(event, "event")) or "none"
        meant = _meant(event, kind, options)
        if meant is None:
            ignored.append(kind)
            continue
        given, purpose = meant
        own = text(part(event, "sg_event_id"), 200)
        reason = text(part(event, "reason"), 100)
        time = moment(part(event, "timestamp"))
        fact = None
        if own is not None:
            proof = f"SendGrid: {kind}" + (f", {reason}" if reason and "@" not in reason else "")
            fact = consent(part(event, "email"), given=given, proof=proof, sender_id=own, time=time, purpose=purpose)
        if fact is None:
            wrong.append(Wrong(f"/{place}/{'sg_event_id' if own is None else 'email'}", "is required"))
        else:
            facts.append(fact)
    return Reading(facts, ignored=ignored, refused=wrong)


def _meant(event: Any, kind: str, options: Mapping[str, Any]) -> tuple[bool, str | None] | None:
    """Whether a consent was given, and for which purpose; None for what says neither."""
    if kind == "bounce":
        return None if part(event, "type") == "blocked" else (False, None)
    if kind == "dropped":
        why = (text(part(event, "reason")) or "").lower()
        return (False, None) if why.startswith(_DROPPED) else None
    if kind == "spamreport":
        return False, None
    if kind == "unsubscribe":
        return False, purpose_of(options)
    if kind in ("group_unsubscribe", "group_resubscribe"):
        group = text(part(event, "asm_group_id"))
        return kind == "group_resubscribe", f"group-{group}" if group else purpose_of(options)
    return None


HOOK: Final = Hook(
    "sendgrid",
    check_told,
    _read,
    options=frozenset({PURPOSE, KEY}),
    told=True,
    early=True,
    signed=_signed,
    unfit=_unfit,
)
