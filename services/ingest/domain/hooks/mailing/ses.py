"""Amazon SES by way of SNS: permanent bounces, complaints, subscriptions that ended.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html, …/event-publishing-retrieving-sns-contents.html,
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html. The secret stands in the subscription's
URL. SNS asks once whether the address wants its messages: the link to open is in the log (`hook_to_confirm`).

With the option `topic` each message has to be signed by SNS and of that topic (any account of Amazon's can have SNS
sign something), and the subscription is confirmed without a person:
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, Signed, Unverified
from services.ingest.domain.hooks.mailing.words import PURPOSE, consent, purpose_of
from services.ingest.domain.hooks.parts import moment, part, text, the_object
from services.ingest.domain.hooks.told import check_told
from shared.limits import LONGEST_URL

_DECODER: Final = msgspec.json.Decoder()
_MOST_RECIPIENTS: Final = 50  # of one mail, as SES takes them
_MOST_TOPICS: Final = 20  # of one contact list, as SES has them
TOPIC: Final = "topic"
_ARN: Final = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]{1,40}:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")
_HOST: Final = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?")
_CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,100}\.pem")
_CONFIRMATIONS: Final = ("SubscriptionConfirmation", "UnsubscribeConfirmation")
_SCHEMES: Final[Mapping[str | None, Literal["rsa-sha1", "rsa-sha256"]]] = {"1": "rsa-sha1", "2": "rsa-sha256"}
# The fields that are signed, in their order; what a message lacks is left out.
_OF_A_MESSAGE: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_OF_A_CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def of_amazon(url: Any) -> bool:
    """Whether an address is one of SNS' own hosts, called as it calls them: by TLS, its port, and nobody's name."""
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isascii() and url.isprintable() else None
    except ValueError:
        return False
    return parts is not None and parts.scheme == "https" and _HOST.fullmatch(parts.netloc) is not None


def _signed(_incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Signed | None:
    topic = options.get(TOPIC)
    if topic is None:
        return None
    kind, certificate = part(body, "Type"), part(body, "SigningCertURL")
    if part(body, "TopicArn") != topic:
        raise Unverified("it is not of the topic that sources.yaml names")
    scheme = _SCHEMES.get(text(part(body, "SignatureVersion")))
    if scheme is None:
        raise Unverified("SignatureVersion must be 1 or 2")
    if not of_amazon(certificate) or not _CERTIFICATE.fullmatch(urlsplit(certificate).path) or "?" in certificate:
        raise Unverified("SigningCertURL must be an address of SNS")
    try:
        signature = base64.b64decode(str(part(body, "Signature")), validate=True)
    except (binascii.Error, ValueError):
        raise Unverified("Signature must be base64") from None
    names = _OF_A_CONFIRMATION if kind in _CONFIRMATIONS else _OF_A_MESSAGE
    said = {name: part(body, name) for name in names}
    if not all(isinstance(each, str) or (each is None and name == "Subject") for name, each in said.items()):
        raise Unverified("a field that SNS signs is missing")
    lines = "".join(f"{name}\n{each}\n" for name, each in said.items() if each is not None)
    return Signed(lines.encode("utf-8", "surrogatepass"), signature, scheme, certificate=certificate)


def _unfit(options: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    topic = options.get(TOPIC)
    if topic is not None and not _ARN.fullmatch(str(topic)):
        yield TOPIC, "must be the topic's ARN, such as arn:aws:sns:eu-central-1:123456789012:mail"


def _read(_incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    message = the_object(body)
    kind = text(message.get("Type"))
    if kind in _CONFIRMATIONS:
        link = text(message.get("SubscribeURL"), LONGEST_URL)
        if not of_amazon(link):
            raise Refused([Wrong("/SubscribeURL", "must be an address of SNS")])
        return Reading(ignored=(kind,), to_confirm=link, ended=kind == "UnsubscribeConfirmation")
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
    if not facts and about == "Complaint":
        raise Refused([Wrong("/Message", "names no recipient")])
    return Reading(facts) if facts else Reading(ignored=(f"{about}, nothing to do",))


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
    """From everything, or from topics of the contact list: each is a purpose of its own."""
    inner, who = part(told, "subscription"), part(told, "mail", "destination", 0)
    time = moment(part(inner, "timestamp"))
    after, before = part(inner, "newTopicPreferences"), part(inner, "oldTopicPreferences")
    if part(after, "unsubscribeAll") is True:
        said = [(purpose_of(options), False, "unsubscribed")]
    else:
        said = [
            (f"ses-{topic}", wants, f"{'subscribed to' if wants else 'unsubscribed from'} {topic}")
            for topic, wants in _topics(after).items()
            if _topics(before).get(topic) is not wants
        ]
    for place, (purpose, given, why) in enumerate(said):
        fact = consent(who, given=given, proof=f"SES: {why}", sender_id=f"{own}:{place}", time=time, purpose=purpose)
        if fact is not None:
            yield fact


def _topics(preferences: Any) -> dict[str, bool]:
    """Which topics are wanted and which are not."""
    found = part(preferences, "topicSubscriptionStatus")
    named = [
        (text(part(each, "topicName"), 60), _STATUS.get(text(part(each, "subscriptionStatus")) or ""))
        for each in (found[:_MOST_TOPICS] if isinstance(found, list) else ())
    ]
    return {name: wants for name, wants in named if name is not None and wants is not None}


_STATUS: Final = {"OptIn": True, "OptOut": False}


def _each(recipients: Any, at: Any, why: str, own: str) -> Iterator[Fact]:
    for place, each in enumerate(recipients[:_MOST_RECIPIENTS] if isinstance(recipients, list) else ()):
        fact = consent(part(each, "emailAddress"), given=False, proof=why, sender_id=f"{own}:{place}", time=moment(at))
        if fact is not None:
            yield fact


_READERS: Final = {"Bounce": _bounce, "Complaint": _complaint, "Subscription": _subscription}

HOOK: Final = Hook(
    "ses", check_told, _read, options=frozenset({PURPOSE, TOPIC}), told=True, early=True, signed=_signed, unfit=_unfit
)
