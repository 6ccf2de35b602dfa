"""Any sender: sources.yaml says how its webhooks are signed and which field of ours stands where in them.

Its options: `signature` (a Signature), `id` (a JSON pointer or a header's name; None: the body's own hash, so that a
repeated body is the same event) and `events` (Rules; the first that fits counts, and with none it is ignored).
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.ingest.domain.checks import Wrong
from services.ingest.domain.cloud_events import read_cloud_event
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.hook import TOLERANCE_S, Hook, Incoming, Reading, Unverified
from services.ingest.domain.hooks.parts import moment, text
from services.ingest.domain.hooks.signatures import check_age, check_match, header
from services.ingest.domain.plain.leads import read_lead, read_purchase

IDENTITIES: Final = ("email", "phone", "user_id", "anonymous_id")
PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_MILLISECONDS: Final = 13  # digits; as seconds it would be the year 33658
_LONGEST_ID: Final = 200
_MOST_SIGNATURES: Final = 20
_STANDARD_SECRET: Final = "whsec_"  # noqa: S105 - what secrets begin with


@dataclass(frozen=True, slots=True)
class Signature:
    """How a webhook shows where it comes from. `header` holds the signature, or with `token` the secret itself.

    `signed`: what is signed, of `{body}`, `{timestamp}` (the header `timestamp_header`) and `{id}` (of `id_header`).
    """

    header: str
    scheme: Literal["hmac", "standard-webhooks", "token"] = "hmac"
    algorithm: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp_header: str | None = None
    id_header: str | None = None
    tolerance_s: float = TOLERANCE_S


@dataclass(frozen=True, slots=True)
class Rule:
    """What is an event of which type. `when`: JSON pointer or header → the values that fit.

    `fields`: our field (dotted inside an object) → a JSON pointer, or what is no pointer: the value itself.
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
    """Standard Webhooks sends one signature for each secret; the others one alone."""
    many = value.split()[:_MOST_SIGNATURES] if signature.scheme == "standard-webhooks" else [value]
    found = [each.removeprefix(signature.prefix) for each in many if each.startswith(signature.prefix)]
    return [each.lower() for each in found] if signature.encoding == "hex" else found


def _expected(secret: str, signed: bytes, signature: Signature) -> str:
    made = hmac.digest(key_of(secret, signature.scheme), signed, signature.algorithm)
    return made.hex() if signature.encoding == "hex" else base64.b64encode(made).decode()


def at_pointer(value: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to; None when it leads nowhere."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < len("10000"):
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value


def _look_up(incoming: Incoming, body: Any, place: str) -> Any:
    return at_pointer(body, place) if place.startswith("/") else incoming.headers.get(place.lower())


def _read(incoming: Incoming, body: Any, options: Mapping[str, Any]) -> Reading:
    for rule in options["events"]:
        if all(_look_up(incoming, body, place) in values for place, values in rule.when.items()):
            sender_id = _sender_id(incoming, body, options["id"])
            try:
                return Reading([_fact(body, rule, sender_id)])
            except Refused as refused:
                raise Refused([_in_body(each, rule, body) for each in refused.wrong]) from None
    return Reading(ignored=("unmapped",))


def _sender_id(incoming: Incoming, body: Any, place: str | None) -> str:
    if place is None:
        return hashlib.sha256(incoming.body).hexdigest()
    found = text(_look_up(incoming, body, place), _LONGEST_ID)
    if found is None:
        raise Refused([Wrong(place if place.startswith("/") else "/", "is required: it is the webhook's id")])
    return found


def _fact(body: Any, rule: Rule, sender_id: str) -> Fact:
    data: dict[str, Any] = {}
    for name, place in rule.fields.items():
        value = _said(body, place)
        if name == "occurred_at" and (found := moment(value)) is not None:
            value = found.isoformat()
        if value is not None:
            _put(data, name.split("."), value)
    if rule.type == "lead.captured":
        return read_lead(data).named(sender_id)
    if rule.type == "purchase.completed":  # keeps the order's own id: however often it is told of, it is one purchase
        return read_purchase(data)
    time = data.pop("occurred_at", None)
    identity = {name: data.pop(name) for name in IDENTITIES if name in data}
    content = {**data, "identity": identity} if rule.type != "cost.recorded" else data
    event = {"specversion": "1.0", "id": sender_id, "source": "hook", "type": rule.type, "time": time, "data": content}
    return read_cloud_event(event).named(sender_id)


def _in_body(wrong: Wrong, rule: Rule, body: Any) -> Wrong:
    """What is wrong with a field of ours, at the place in the webhook where it should stand."""
    places = {f"/{name.replace('.', '/')}": place for name, place in rule.fields.items() if _is_pointer(place)}
    who = [place for name, place in places.items() if name.removeprefix("/") in IDENTITIES]
    if wrong.at in ("/", "/data/identity") and who and not any(_said(body, place) for place in who):
        return Wrong(who[0], f"{wrong.problem}: there is none")
    ours = wrong.at.removeprefix("/data").removeprefix("/identity")  # where a CloudEvent would have it
    return Wrong(places.get(wrong.at) or places.get(ours) or wrong.at, wrong.problem)


def _is_pointer(place: Any) -> bool:
    return isinstance(place, str) and place.startswith("/")


def _said(body: Any, place: Any) -> Any:
    """What stands at the pointer, or what is no pointer itself."""
    return at_pointer(body, place) if _is_pointer(place) else place


def _put(data: dict[str, Any], steps: list[str], value: Any) -> None:
    for step in steps[:-1]:
        inner = data.setdefault(step, {})
        if not isinstance(inner, dict):
            raise Refused([Wrong(f"/{step}", "must be an object")])
        data = inner
    data[steps[-1]] = value


HOOK: Final = Hook("generic", _verify, _read, options=frozenset({"signature", "id", "events"}))
