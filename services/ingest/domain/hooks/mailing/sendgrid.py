"""SendGrid's Event Webhook: bounces, spam reports, unsubscribes. A list of events a time.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event: the secret stands in the URL.
"""

from collections.abc import Mapping
from typing import Any, Final

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading
from services.ingest.domain.hooks.mailing.words import PURPOSE, consent, purpose_of
from services.ingest.domain.hooks.parts import moment, part, text
from services.ingest.domain.hooks.told import check_told

_MOST_EVENTS: Final = 2500
_DROPPED: Final = ("bounced", "unsubscribed", "spam", "invalid")  # SendGrid's reasons for good


def _read(_incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    if not isinstance(body, list) or len(body) > _MOST_EVENTS:
        raise Refused([Wrong("/", "must be a list of events")])
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


HOOK: Final = Hook("sendgrid", check_told, _read, options=frozenset({PURPOSE}), told=True, early=True)
