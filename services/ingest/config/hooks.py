"""The settings in sources.yaml of another service's webhooks: secrets and options."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, StringConstraints

from services.ingest.domain.hooks import generic
from services.ingest.domain.hooks.generic import IDENTITIES, PLACEHOLDER, Algorithm, Encoding, Rule, Scheme, Signature
from services.ingest.domain.hooks.registry import SENDERS
from shared import secrets
from shared.config import ConfigModel
from shared.events.types import DATA_TYPES, OURS
from shared.places.countries import country_code

HookKind: TypeAlias = Literal[
    "stripe", "shopify", "woocommerce", "typeform", "calendly", "tally", "hubspot", "meta", "google", "mailchimp",
    "mailgun", "postmark", "sendgrid", "ses", "generic"
]  # fmt: skip
HOOK_KINDS: Final[tuple[str, ...]] = get_args(HookKind)
_SECRET_OPTION: Final = re.compile(r"(^|_)(token|secret|key)$")
_NEEDED: Final = {"meta": ("verify_token", "access_token")}  # options that the sender cannot do without
_POINTER: Final = re.compile(r"(/([^/~]|~[01])*)+")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,100}")

_MADE: Final = " (`firsthour setup` makes one)"  # not for a secret that the sender makes
_GIVEN: Final = ": put it there, or into the state folder's secrets.env"

# A key of the source, below its name, and what is wrong with it.
Trouble: TypeAlias = tuple[tuple[str | int, ...], str]


@dataclass(frozen=True, slots=True)
class HookSettings:
    """Resolved: `secrets` verify signatures (two while rotating), `options` are the sender's own."""

    secrets: tuple[str, ...] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def _pointer(text: str) -> str:
    if not _POINTER.fullmatch(text):
        raise ValueError("must be a JSON pointer such as /data/email")
    return text


def _place(text: str) -> str:
    return _pointer(text) if text.startswith("/") else _header(text)


def _header(text: str) -> str:
    if not _HEADER.fullmatch(text):
        raise ValueError("must be a header's name, or a JSON pointer such as /data/id")
    return text.lower()


_HeaderName = Annotated[str, AfterValidator(_header)]
_Place = Annotated[str, AfterValidator(_place)]
_Plain: TypeAlias = str | bool | int | float


class _Signature(ConfigModel):
    scheme: Scheme = "hmac"
    header: _HeaderName | None = None
    query: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    path: bool = False
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: Annotated[str, StringConstraints(max_length=50, strip_whitespace=False)] = ""
    timestamp_header: _HeaderName | None = None
    signed: Annotated[str, StringConstraints(max_length=200)] = "{body}"
    tolerance_seconds: Annotated[float, Field(gt=0, le=3600)] = 300.0


class _Event(ConfigModel):
    type: str
    when: dict[_Place, _Plain | tuple[_Plain, ...]] = Field(default_factory=dict)
    fields: dict[str, _Plain] = Field(min_length=1)


def _country(text: str) -> str:
    found = country_code(text)
    if found is None:
        raise ValueError("must be a country such as DE or Germany")
    return found


class RawHook(ConfigModel):
    """The keys of a source that is another service's webhook. The last four are for kind generic.

    `fields` (our name → the question) is for services whose forms are read. `country`: how numbers without their
    country's code are dialled.
    """

    kind: str
    country: Annotated[str, AfterValidator(_country)] | None = None
    secrets: tuple[str, ...] = ()
    options: dict[str, _Plain] = Field(default_factory=dict)
    fields: dict[Any, str] = Field(default_factory=dict)
    signature: _Signature | None = None
    id: _Place | None = None
    each: Annotated[str, AfterValidator(_pointer)] | None = None
    events: tuple[_Event, ...] = ()

    def settings(self, environment: Mapping[str, str], state: Path) -> tuple[HookSettings | None, list[Trouble]]:
        """The secrets and options, resolved (None for other kinds of source), and what is wrong with which key.

        Without a secret nothing is accepted.
        """
        wrong = [*self._misplaced(), *self._missing()]
        if self.kind not in HOOK_KINDS:
            return None, wrong
        if not self.secrets:
            wrong.append(((), "needs the sender's signing secret: `secrets: [env:NAME]`"))
        found = []
        for index, reference in enumerate(self.secrets):
            secret = _resolved(reference, ("secrets", index), environment, state, wrong)
            if secret is not None:
                found.append(secret)
        if self.kind == "generic":
            return HookSettings(tuple(found), self._generic(found, wrong)), wrong
        options: dict[str, Any] = {} if self.country is None else {"country": self.country}
        known = _options(self.kind)
        if "fields" in known:
            options["fields"] = self.fields
        for name, value in self.options.items():
            key = ("options", name)
            if name not in known - {"fields"}:
                names = ", ".join(sorted(known - {"fields"})) or "none"
                wrong.append((key, f"unknown option; {self.kind} has: {names}"))
            elif _SECRET_OPTION.search(name) or secrets.is_reference(str(value)):
                options[name] = _resolved(str(value), key, environment, state, wrong)
            else:
                options[name] = value
        wrong += [(("options", name), text) for name, text in SENDERS[self.kind].unfit(options)]
        return HookSettings(tuple(found), options), [(key, _of_a_sender(text)) for key, text in wrong]

    def _misplaced(self) -> Iterator[Trouble]:
        given = {"signature": self.signature, "id": self.id, "each": self.each, "events": self.events}
        for name, value in given.items():
            if value and self.kind != "generic":
                yield (name,), "is only for sources of kind generic"
        for name, some in {"secrets": self.secrets, "options": self.options}.items():
            if some and self.kind not in HOOK_KINDS:
                yield (name,), "is only for other services' webhooks"
        if self.fields and self.kind in HOOK_KINDS and "fields" not in _options(self.kind):
            yield ("fields",), f"kind {self.kind} has no form whose fields could be named"
        if self.options and self.kind == "generic":
            yield ("options",), "kind generic has none; see signature, id and events"

    def _missing(self) -> Iterator[Trouble]:
        for name in _NEEDED.get(self.kind, ()):
            if name not in self.options:
                yield ("options", name), "is needed, as a reference: env:NAME or file:/path"

    def _generic(self, found: list[str], wrong: list[Trouble]) -> dict[str, Any]:
        if self.signature is None:
            wrong.append(((), "needs `signature:`, how its webhooks are signed"))
        if not self.events:
            wrong.append(((), "needs `events:`, what its webhooks are to us"))
        for index, each in enumerate(self.events):
            wrong += [(("events", index, *key), text) for key, text in _event_problems(each)]
        signature = None if self.signature is None else _signature(self.signature, self.id, wrong)
        if signature is not None:
            for index, secret in enumerate(found):
                try:
                    generic.key_of(secret, signature.scheme)
                except ValueError as error:
                    wrong.append((("secrets", index), str(error)))
        place = self.id
        if place is None and signature is not None and signature.scheme == "standard-webhooks":
            place = signature.id_header
        rules = tuple(
            Rule(each.type, {k: _several(v) for k, v in each.when.items()}, each.fields) for each in self.events
        )
        return {"signature": signature, "id": place, "each": self.each, "events": rules, "country": self.country}


def _options(kind: str) -> frozenset[str]:
    return SENDERS[kind].options if kind in SENDERS else frozenset()


def _resolved(
    reference: str, key: tuple[str | int, ...], environment: Mapping[str, str], state: Path, wrong: list[Trouble]
) -> str | None:
    if not secrets.is_reference(reference):
        wrong.append((key, "must be a reference, env:NAME or file:/path, never the secret"))
        return None
    try:
        return secrets.resolve(reference, environment, state)
    except secrets.MissingSecret as error:
        wrong.append((key, str(error)))
        return None


def _of_a_sender(text: str) -> str:
    return f"{text.removesuffix(_MADE)}{_GIVEN}" if text.endswith(_MADE) else text


def _several(value: _Plain | tuple[_Plain, ...]) -> tuple[_Plain, ...]:
    return value if isinstance(value, tuple) else (value,)


def _signature(raw: _Signature, place: str | None, wrong: list[Trouble]) -> Signature | None:
    if raw.scheme == "standard-webhooks":
        name = raw.header or "webhook-signature"
        if not name.endswith("-signature"):
            wrong.append((("signature", "header"), "must end in -signature, as webhook-signature does"))
        fixed = raw.model_fields_set & {"algorithm", "encoding", "prefix", "timestamp_header", "signed"}
        wrong += [(("signature", key), "is fixed by Standard Webhooks") for key in sorted(fixed)]
        return generic.standard(name, raw.tolerance_seconds)
    told = [name for name, given in (("header", raw.header), ("query", raw.query), ("path", raw.path)) if given]
    if raw.scheme == "token":
        if len(told) != 1:
            wrong.append((("signature",), "needs one of `header:`, `query:` and `path: true`: where the secret stands"))
            return None
        return Signature(raw.header or "", "token", prefix=raw.prefix, query=raw.query, path=raw.path)
    wrong += [(("signature", name), "is only for `scheme: token`") for name in told if name != "header"]
    if raw.header is None:
        wrong.append((("signature",), "needs `header:`, the header that holds it"))
        return None
    names = PLACEHOLDER.findall(raw.signed)
    problem = None
    if not set(names) <= {"body", "timestamp", "id"} or names.count("body") != 1:
        problem = "must hold {body} once, and else only {timestamp} and {id}"
    elif ("timestamp" in names) != (raw.timestamp_header is not None):
        problem = "{timestamp} and `timestamp_header:` need each other"
    elif "id" in names and (place is None or place.startswith("/")):
        problem = "{id} needs `id:` to be a header's name"
    if problem is not None:
        wrong.append((("signature", "signed"), problem))
        return None
    return Signature(
        raw.header,
        raw.scheme,
        raw.algorithm,
        raw.encoding,
        raw.prefix,
        raw.signed,
        raw.timestamp_header,
        place if "id" in names else None,
        raw.tolerance_seconds,
    )


def _event_problems(event: _Event) -> Iterator[Trouble]:
    known = DATA_TYPES.get(event.type)
    if known is None or event.type in OURS:
        yield ("type",), "is not one of the types that are taken here; see docs/schemas"
        return
    free = event.type == "lead.captured"  # its unknown fields become traits
    ours = {*known.__struct_fields__, *IDENTITIES, "occurred_at"} - {"identity"}
    for name, place in event.fields.items():
        if not free and name.split(".")[0] not in ours:
            yield ("fields", name), f"is no field of {event.type}"
        if isinstance(place, str) and place.startswith("/") and not _POINTER.fullmatch(place):
            yield ("fields", name), "must be a JSON pointer such as /data/email, or a value"
    if "identity" in known.__struct_fields__ and not set(event.fields) & set(IDENTITIES):
        yield ("fields",), "needs one of email, phone, user_id or anonymous_id"
    required = {"purchase.completed": ("order_id", "amount", "currency")}.get(event.type, ())
    for name in required:
        if name not in event.fields:
            yield ("fields",), f"needs {name}"
