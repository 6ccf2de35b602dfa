"""Calendly: a booked meeting, and one that was called off.

Whoever books is a lead too, so a booking is two facts. A rescheduled meeting comes as a cancellation of the old booking
with `rescheduled: true` and a booking that names the old one: one meeting that moved, and no new lead.

https://developer.calendly.com/api-docs
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.answers import Answer, objects, read_answers, words
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, Unverified, sha256
from services.ingest.domain.hooks.parts import full_name, moment, part, text, the_object, told
from services.ingest.domain.hooks.signatures import check_age, check_match, header
from shared.events.types import EngagementRecorded, LeadCaptured

_TOLERANCE_S: Final = 180.0  # as Calendly advises
_MOST_PARTS: Final = 10
_KINDS: Final = {"invitee.created": "meeting_booked", "invitee.canceled": "meeting_canceled"}
_TRACKING: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")


def _verify(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    pairs = [each.strip().partition("=") for each in header(incoming, "calendly-webhook-signature").split(",")]
    stamp = next((value for name, _, value in pairs[:_MOST_PARTS] if name == "t"), "")
    given = [value for name, _, value in pairs[:_MOST_PARTS] if name == "v1"]
    if not stamp or not given:
        raise Unverified("the header calendly-webhook-signature has no t or no v1")
    signed = stamp.encode("utf-8", "replace") + b"." + incoming.body
    check_match(given, [sha256(secret.encode(), signed).hex() for secret in secrets])
    check_age(stamp, incoming.now, tolerance_s=_TOLERANCE_S)


def _read(_incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    event, invitee = text(the_object(body).get("event")) or "none", part(body, "payload")
    kind = _KINDS.get(event)
    if kind is None:
        return Reading(ignored=(event,))
    rescheduled = part(invitee, "rescheduled") is True
    if kind == "meeting_canceled" and rescheduled:
        return Reading(ignored=(f"{event}:rescheduled",))
    if kind == "meeting_booked" and text(part(invitee, "old_invitee")) is not None:
        kind = "meeting_rescheduled"
    uri = text(part(invitee, "uri"))
    if uri is None:
        raise Refused([Wrong("/payload/uri", "is required")])
    lead = _lead(invitee, options)
    time = moment(body.get("created_at")) or moment(part(invitee, "created_at"))
    meeting = Fact("engagement.recorded", lead.identity, _meeting(kind, invitee, lead), time, f"{uri}#{kind}")
    if kind != "meeting_booked":
        return Reading((meeting,))
    return Reading((Fact("lead.captured", lead.identity, lead, time, f"{uri}#lead"), meeting))


def _lead(invitee: Any, options: Mapping[str, Any]) -> LeadCaptured:
    lead = read_answers(
        list(_answers(invitee)),
        options,
        form=_last_part(part(invitee, "scheduled_event", "event_type")),
        at="/payload/email",
        more={"time_zone": text(part(invitee, "timezone"))},
    )
    return msgspec.structs.replace(lead, interest=lead.interest or text(part(invitee, "scheduled_event", "name")))


def _answers(invitee: Any) -> Iterator[Answer]:
    name = text(part(invitee, "name")) or full_name(part(invitee, "first_name"), part(invitee, "last_name"))
    known = {"email": part(invitee, "email"), "name": name, "phone": part(invitee, "text_reminder_number")}
    for ours, value in known.items():
        said = text(value)
        if said is not None:
            yield Answer(f"/payload/{ours}", ours, said, ours=ours)
    for field in _TRACKING:
        said = text(part(invitee, "tracking", field))
        if said is not None:
            yield Answer(f"/payload/tracking/{field}", field, said)
    for place, each in objects(part(invitee, "questions_and_answers")):
        question, said = text(each.get("question")), words(each.get("answer"))
        if question is not None and said is not None:
            yield Answer(f"/payload/questions_and_answers/{place}", question, said)


def _meeting(kind: str, invitee: Any, lead: LeadCaptured) -> EngagementRecorded:
    canceled = kind == "meeting_canceled"
    properties = {
        "starts_at": text(part(invitee, "scheduled_event", "start_time")),
        "ends_at": text(part(invitee, "scheduled_event", "end_time")),
        "event": text(part(invitee, "event")) or text(part(invitee, "scheduled_event", "uri")),
        "old_invitee": text(part(invitee, "old_invitee")),
        "canceled_by": text(part(invitee, "cancellation", "canceler_type")) if canceled else None,
        "reason": text(part(invitee, "cancellation", "reason")) if canceled else None,
    }
    what = text(part(invitee, "scheduled_event", "name"))
    return EngagementRecorded(
        identity=lead.identity, kind=kind, what=what, campaign=lead.campaign, properties=told(properties)
    )


def _last_part(uri: Any) -> str | None:
    said = text(uri)
    return None if said is None else said.rstrip("/").rpartition("/")[2] or None


HOOK: Final = Hook(
    kind="calendly", verify=_verify, read=_read, options=frozenset({"fields"}), header="calendly-webhook-signature"
)
