"""What a sender's webhook is: how it is verified, read and answered.

Each sender is one small file in `senders/` (or `mailing/`) that ends in a `HOOK`; `registry.py` lists them.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact

TOLERANCE_S = 300.0  # the greatest age of a signed timestamp: later copies are refused


class Incoming(NamedTuple):
    """A request as it came. `headers` in lower case, `url` as the sender knows it, `now` in UTC."""

    headers: Mapping[str, str]
    body: bytes
    url: str
    now: datetime


class Unverified(Exception):  # noqa: N818 - reads as what happened
    """The sender is not proven: no signature, a wrong one, or one too old; the message says which."""


class Signed(NamedTuple):
    """A signature that a public key proves: that of `key` (DER), or of the certificate at an address of Amazon's."""

    text: bytes
    signature: bytes
    scheme: Literal["rsa-sha1", "rsa-sha256", "ecdsa-sha256"]
    key: bytes = b""
    certificate: str = ""


class ToFetch(NamedTuple):
    """A lead that the webhook names by its id only."""

    lead_id: str
    form_id: str | None
    page_id: str | None
    ad_id: str | None
    created: datetime | None


@dataclass(frozen=True, slots=True)
class Reading:
    """The content of a webhook. `ignored`: its event types that mean nothing to us (counted, answered 2xx).

    `refused`: errors of events that cannot be accepted. `answer`: the response that the sender expects.
    `to_confirm`: a link to open before the sender sends anything; we open it if a signature proved it.
    `ended`: the sender stops sending unless somebody opens the link.
    """

    facts: Sequence[Fact] = ()
    fetch: Sequence[ToFetch] = ()
    ignored: Sequence[str] = ()
    refused: Sequence[Wrong] = ()
    answer: bytes | None = None
    to_confirm: str | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Hook:
    """One sender. `verify` raises Unverified; `read` raises Refused; `options` are those of sources.yaml.

    `header` proves the sender; None: the body does, or (kind generic) a header of the options. Without it at most
    `unsigned` bytes are read. `told`: the proof is the secret itself, and so could be guessed. `early`: it is in the
    URL or a header, and checked before the body is read. `signed`: a further proof that the options may ask for; it
    raises Unverified when there is none. `unfit` names options that cannot be right, and why.

    Every fact has the sender's own id as `sender_id`, so that a repeated webhook is the same event.
    """

    kind: str
    verify: Callable[[Incoming, Sequence[str], Mapping[str, Any]], None]
    read: Callable[[Incoming, Any, Mapping[str, Any]], Reading]
    status: int = 200
    body: bytes = b"{}"
    options: frozenset[str] = field(default_factory=frozenset)
    header: str | None = None
    unsigned: int = 0
    told: bool = False
    early: bool = False
    signed: Callable[[Incoming, Any, Mapping[str, Any]], Signed | None] = lambda _incoming, _body, _options: None
    unfit: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]] = lambda _options: ()


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def sha256(secret: bytes, signed: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104)."""
    return hmac.digest(secret, signed, hashlib.sha256)
