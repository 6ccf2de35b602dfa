"""Amazon SES by way of SNS: permanent bounces, complaints, subscriptions that ended.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html, …/event-publishing-retrieving-sns-contents.html,
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html. The secret stands in the subscription's
URL. SNS asks once whether the address wants its messages: the link to open is in the log (`hook_to_confirm`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading
from services.ingest.domain.hooks.mailing.words import PURPOSE, consent, purpose_of
from services.ingest.domain.hooks.parts import moment, part, text, the_object
from services.ingest.domain.hooks.told import check_told

_DECODER: Final = msgspec.json.Decoder()
_MOST_RECIPIENTS: Final = 50  # of one mail, as SES takes them


def _read(_incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    message = the_object(body)
    kind = text(message.get("Type"))
    if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return Reading(ignored=(kind,), to_confirm=text(message.get("SubscribeURL"), 2000))
    told, own = message, text(part(message, "mail", "messageId"))  # raw delivery: without SNS' envelope
    if kind == "Notification":
        told, own = _inner(message.get("Message")), text(message.get("MessageId"), 100)
    about = text(part(told, "notificationType")) or text(part(told, "eventType")) or "none"
    reader = _READERS.get(about)
    if reader is None:
        return Reading(ignored=(about,))
    if own is None:
        raise Refused([Wrong("/MessageId", "is required")])
    facts = list(reader(told, own, options))
    if not facts and about != "Bounce":
        raise Refused([Wrong("/Message", "names no recipient")])
    return Reading(facts) if facts else Reading(ignored=(f"{about}, transient",))


def _inner(text_of_it: Any) -> Any:
    try:
        return _DECODER.decode(text_of_it) if isinstance(text_of_it, str) else text_of_it
    except (msgspec.DecodeError, RecursionError):
        raise Refused([Wrong("/Message", "must be JSON")]) from None


def _bounce(told: Any, own: str, _options: Mapping[str, Any]) -> Iterator[Fact]:
    if part(told, "bounce", "bounceType") != "Permanent":
        return
    why = f"SES: bounce, {text(part(told, 'bounce', 'bounceSubType')) or 'Permanent'}"
    yield from _each(part(told, "bounce", "bouncedRecipients"), part(told, "bounce", "timestamp"), why, own)


def _complaint(told: Any, own: str, _options: Mapping[str, Any]) -> Iterator[Fact]:
    why = f"SES: complaint, {text(part(told, 'complaint', 'complaintFeedbackType')) or 'abuse'}"
    if part(told, "complaint", "complaintFeedbackType") == "not-spam":
        return
    yield from _each(part(told, "complaint", "complainedRecipients"), part(told, "complaint", "timestamp"), why, own)


def _subscription(told: Any, own: str, options: Mapping[str, Any]) -> Iterator[Fact]:
    inner = part(told, "subscription")
    after = part(inner, "newTopicPreferences", "unsubscribeAll")
    if after is not True:
        return
    fact = consent(
        part(told, "mail", "destination", 0),
        given=False,
        proof="SES: unsubscribed",
        sender_id=f"{own}:0",
        time=moment(part(inner, "timestamp")),
        purpose=purpose_of(options),
    )
    if fact is not None:
        yield fact


def _each(recipients: Any, at: Any, why: str, own: str) -> Iterator[Fact]:
    for place, each in enumerate(recipients[:_MOST_RECIPIENTS] if isinstance(recipients, list) else ()):
        fact = consent(part(each, "emailAddress"), given=False, proof=why, sender_id=f"{own}:{place}", time=moment(at))
        if fact is not None:
            yield fact


_READERS: Final = {"Bounce": _bounce, "Complaint": _complaint, "Subscription": _subscription}

HOOK: Final = Hook("ses", check_told, _read, options=frozenset({PURPOSE}), told=True, early=True)
