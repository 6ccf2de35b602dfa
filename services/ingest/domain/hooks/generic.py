"""Any sender: sources.yaml says how its webhooks are signed and where our fields are in them.

Its options: `signature` (a Signature), `id` (a JSON pointer or a header's name; None: the event's own hash, so that a
repeated one is the same event), `each` (where a list of events stands; pointers then are into each of them) and
`events` (Rules; the first that fits counts). What no rule matches is ignored; what lacks the rules' shape is refused.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import msgspec

from services.ingest.domain.checks import Wrong
from services.ingest.domain.cloud_events import read_cloud_event
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.hook import TOLERANCE_S, Hook, Incoming, Reading, Unverified
from services.ingest.domain.hooks.parts import moment_in_utc, text
from services.ingest.domain.hooks.signatures import check_age, check_match, header
from services.ingest.domain.hooks.told import in_path, in_query
from services.ingest.domain.plain.leads import read_lead, read_purchase

Scheme: TypeAlias = Literal["hmac", "standard-webhooks", "token"]
Algorithm: TypeAlias = Literal["sha256", "sha512"]
Encoding: TypeAlias = Literal["hex", "base64"]

IDENTITIES: Final = ("email", "phone", "user_id", "anonymous_id")
PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_.=+/: -]{1,500}")  # nothing that a browser could render as a page
_CHALLENGES: Final = ("url_verification", "webhook_verification", "challenge", "endpoint.url_validation")
_FILTER: Final = re.compile(r"\[(?P<key>[^=\]]+)=(?P<value>[^\]]*)\]")
_FLAGS: Final = frozenset({"given", "human", "consent.email", "consent.phone", "consent.sms"})
_MOST_EVENTS: Final = 1000
_MILLISECONDS: Final = 13  # digits; as seconds it would be the year 33658
_LONGEST_ID: Final = 200
_MOST_SIGNATURES: Final = 20
_STANDARD_SECRET: Final = "whsec_"  # noqa: S105 - what secrets begin with


@dataclass(frozen=True, slots=True)
class Signature:
    """How a webhook proves its sender. `header` holds the signature, or with `token` the secret itself.

    With `token` the secret may stand in the URL instead: as the value of `query`, or behind the source's name (`path`).
    `signed`: what is signed, of `{body}`, `{timestamp}` (the header `timestamp_header`) and `{id}` (of `id_header`).
    """

    header: str
    scheme: Scheme = "hmac"
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp_header: str | None = None
    id_header: str | None = None
    tolerance_s: float = TOLERANCE_S
    query: str | None = None
    path: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Which webhooks are an event of a type. `when`: JSON pointer or header → the values that match.

    `fields`: our field (dotted inside an object) → a JSON pointer, or else the value itself.
    """

    type: str
    when: Mapping[str, tuple[Any, ...]]
    fields: Mapping[str, Any]


def standard(header_name: str, tolerance_s: float) -> Signature:
    """Standard Webhooks: `webhook-signature` beside `webhook-id` and `webhook-timestamp` (Svix: `svix-…`)."""
    stem = header_name.removesuffix("signature")
    return Signature(
        header_name,
        "standard-webhooks",
        encoding="base64",
        prefix="v1,",
        signed="{id}.{timestamp}.{body}",
        timestamp_header=f"{stem}timestamp",
        id_header=f"{stem}id",
        tolerance_s=tolerance_s,
    )


def key_of(secret: str, scheme: str) -> bytes:
    """The bytes that sign. Raises ValueError when a Standard Webhooks secret is not base64."""
    if scheme != "standard-webhooks":
        return secret.encode()
    encoded = secret.removeprefix(_STANDARD_SECRET)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("must be a Standard Webhooks secret: whsec_ and base64")
    return key


def _verify(incoming: Incoming, secrets: Sequence[str], options: Mapping[str, Any]) -> None:
    signature: Signature = options["signature"]
    if signature.query is not None or signature.path:
        told = in_query(incoming.url, signature.query) if signature.query is not None else in_path(incoming.url)
        if told is None:
            raise Unverified("the secret is missing in the URL")
        check_match([told], secrets)
        return
    given = header(incoming, signature.header)
    if signature.scheme == "token":
        if signature.prefix and not given.startswith(signature.prefix):
            raise Unverified(f"the header {signature.header} does not begin as it should")
        check_match([given.removeprefix(signature.prefix).strip()], secrets)
        return
    values = {"body": incoming.body}
    stamp = None
    if signature.timestamp_header is not None:
        stamp = header(incoming, signature.timestamp_header)
        values["timestamp"] = stamp.encode("latin-1", "replace")
    if signature.id_header is not None:
        values["id"] = header(incoming, signature.id_header).encode("latin-1", "replace")
    signed = b"".join(
        values[piece] if index % 2 else piece.encode()
        for index, piece in enumerate(PLACEHOLDER.split(signature.signed))
    )
    check_match(_given(given, signature), [_expected(secret, signed, signature) for secret in secrets])
    if stamp is not None:
        per_second = 1000 if len(stamp) == _MILLISECONDS else 1
        check_age(stamp, incoming.now, per_second=per_second, tolerance_s=signature.tolerance_s)


def _given(value: str, signature: Signature) -> list[str]:
    """Standard Webhooks sends one signature per secret; other schemes send a single one."""
    many = value.split()[:_MOST_SIGNATURES] if signature.scheme == "standard-webhooks" else [value]
    found = [each.removeprefix(signature.prefix) for each in many if each.startswith(signature.prefix)]
    return [each.lower() for each in found] if signature.encoding == "hex" else found


def _expected(secret: str, signed: bytes, signature: Signature) -> str:
    made = hmac.digest(key_of(secret, signature.scheme), signed, signature.algorithm)
    return made.hex() if signature.encoding == "hex" else base64.b64encode(made).decode()


def at_pointer(value: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901); None when there is none.

    In a list a step `[name=email]` is the first object whose `name` is `email`.
    """
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < len("10000"):
            value = value[int(name)] if int(name) < len(value) else None
        elif isinstance(value, list) and (wanted := _FILTER.fullmatch(name)) is not None:
            value = next((each for each in value[:_MOST_EVENTS] if _is(each, wanted["key"], wanted["value"])), None)
        else:
            return None
    return value


def _is(each: Any, key: str, wanted: str) -> bool:
    found = each.get(key) if isinstance(each, dict) else None
    return found == wanted or (text(found) or str(found).lower()) == wanted


def _look_up(incoming: Incoming, body: Any, place: str) -> Any:
    return at_pointer(body, place) if place.startswith("/") else incoming.headers.get(place.lower())


def _read(incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    asked = _challenge(body)
    if asked is not None:
        return Reading(ignored=("challenge",), answer=asked)
    facts, ignored, wrong = list[Fact](), list[str](), list[Wrong]()
    for at, event in _events(body, options.get("each")):
        try:
            fact = _one(incoming, event, options, alone=not at)
        except Refused as refused:
            wrong += [Wrong(f"{at}{each.at}" if at else each.at, each.problem) for each in refused.wrong]
            continue
        if fact is None:
            ignored.append("unmapped")
        else:
            facts.append(fact)
    if wrong and not facts:
        raise Refused(wrong)
    return Reading(facts, ignored=ignored, refused=wrong)


def _events(body: Any, each: str | None) -> Sequence[tuple[str, Any]]:
    """The events of the body, each with its pointer (empty for a single one). Raises Refused."""
    found = body if each is None else at_pointer(body, each)
    if each is None and not isinstance(body, list):
        return [("", body)]
    if not isinstance(found, list) or len(found) > _MOST_EVENTS:
        raise Refused([Wrong(each or "/", f"must be a list of at most {_MOST_EVENTS} events")])
    return [(f"{each or ''}/{place}", event) for place, event in enumerate(found)]


def _challenge(body: Any) -> bytes | None:
    """The challenge to echo: it proves to the sender that the address is ours."""
    given = body.get("challenge") if isinstance(body, dict) else None
    if not isinstance(given, str) or not CHALLENGE.fullmatch(given):
        return None
    alone = len(body) == 1 or body.get("type") in _CHALLENGES
    return msgspec.json.encode({"challenge": given}) if alone else None


def _one(incoming: Incoming, event: Any, options: Mapping[str, Any], *, alone: bool) -> Fact | None:
    """The fact made by the first matching rule; None when none matches. Raises Refused."""
    for rule in options["events"]:
        if all(_fits(_look_up(incoming, event, place), values) for place, values in rule.when.items()):
            sender_id = _sender_id(incoming, event, options["id"], alone=alone)
            try:
                return _fact(event, rule, sender_id, options.get("country"))
            except Refused as refused:
                raise Refused([_in_body(each, rule, event) for each in refused.wrong]) from None
    places = sorted({place for rule in options["events"] for place in rule.when})
    if all(
        _look_up(incoming, event, place) is None for place in places
    ):  # it does not have the shape that the rules assume
        raise Refused([Wrong(place if place.startswith("/") else "/", "is not there") for place in places])
    return None


def _fits(found: Any, values: tuple[Any, ...]) -> bool:
    """Forms hold only text: there `true` and `7` match the rule's."""
    if found in values:
        return True
    return isinstance(found, str) and any(not isinstance(each, str) and str(each).lower() == found for each in values)


def _sender_id(incoming: Incoming, event: Any, place: str | None, *, alone: bool) -> str:
    if place is None:
        return hashlib.sha256(incoming.body if alone else msgspec.json.encode(event)).hexdigest()
    found = text(_look_up(incoming, event, place), _LONGEST_ID)
    if found is None:
        raise Refused([Wrong(place if place.startswith("/") else "/", "is required: it is the webhook's id")])
    if not alone and not place.startswith("/"):  # a header names them all
        return f"{found}:{hashlib.sha256(msgspec.json.encode(event)).hexdigest()}"
    return found


def _fact(body: Any, rule: Rule, sender_id: str, country: str | None) -> Fact:
    data: dict[str, Any] = {}
    for name, place in rule.fields.items():
        value = _said(body, place)
        if name == "occurred_at" and (found := moment_in_utc(value)) is not None:
            value = found.isoformat()
        elif name in _FLAGS and isinstance(value, str):
            value = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
                value.lower(), value
            )
        if value is not None:
            _put(data, name.split("."), value)
    if rule.type == "lead.captured":
        return read_lead(data, country).named(sender_id)
    if rule.type == "purchase.completed":  # the order's own id: however often it is told, it is one purchase
        return read_purchase(data)
    time = data.pop("occurred_at", None)
    identity = {name: data.pop(name) for name in IDENTITIES if name in data}
    content = {**data, "identity": identity} if rule.type != "cost.recorded" else data
    event = {"specversion": "1.0", "id": sender_id, "source": "hook", "type": rule.type, "time": time, "data": content}
    return read_cloud_event(event).named(sender_id)


def _in_body(wrong: Wrong, rule: Rule, body: Any) -> Wrong:
    """An error in a field of ours, at its place in the webhook."""
    places = {f"/{name.replace('.', '/')}": place for name, place in rule.fields.items() if _is_pointer(place)}
    who = [place for name, place in places.items() if name.removeprefix("/") in IDENTITIES]
    if wrong.at in ("/", "/data/identity") and who and not any(_said(body, place) for place in who):
        return Wrong(who[0], f"{wrong.problem}: there is none")
    ours = wrong.at.removeprefix("/data").removeprefix("/identity")  # where a CloudEvent would have it
    return Wrong(places.get(wrong.at) or places.get(ours) or wrong.at, wrong.problem)


def _is_pointer(place: Any) -> bool:
    return isinstance(place, str) and place.startswith("/")


def _said(body: Any, place: Any) -> Any:
    """The value at the pointer, or the text itself when it is no pointer."""
    return at_pointer(body, place) if _is_pointer(place) else place


def _put(data: dict[str, Any], steps: list[str], value: Any) -> None:
    for step in steps[:-1]:
        inner = data.setdefault(step, {})
        if not isinstance(inner, dict):
            raise Refused([Wrong(f"/{step}", "must be an object")])
        data = inner
    data[steps[-1]] = value


HOOK: Final = Hook("generic", _verify, _read, options=frozenset({"signature", "id", "each", "events"}))
