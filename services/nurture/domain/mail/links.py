"""Links by which the reader of a mail answers. Only we can make one; it is for one thing alone, and tells nothing.

A token holds ids and a keyed hash over them: no address stands in a URL, and so in nobody's log or history.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

Kind: TypeAlias = Literal["confirm", "withdraw"]

CONFIRM_WITHIN: Final = timedelta(days=7)
_KINDS: Final[tuple[Kind, ...]] = ("confirm", "withdraw")  # what is in sent mails: only ever add to the end
_FIELDS: Final = struct.Struct(">BI16s16s")  # kind, seconds since 1970 or 0, delivery, contact
_HASH: Final = 16  # bytes of the hash: 128 bits are beyond guessing
_LENGTH: Final = len(base64.urlsafe_b64encode(bytes(_FIELDS.size + _HASH)).rstrip(b"="))


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says. `delivery`: the mail in which it stands. `expires_at` to the second; None: it works for years.

    A withdrawal names the contact, too: it works when what was sent is not kept any more.
    """

    kind: Kind
    delivery: UUID
    contact: UUID
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MailLinks:
    """The links of one mail as URLs. `confirm`: only where nobody has proven the address yet."""

    unsubscribe: str
    confirm: str | None = None


def link_key(secret: bytes) -> bytes:
    """The key of all links, from the secret that every installation has."""
    return hmac.digest(secret, b"firsthour: links in mails", hashlib.sha256)


def token_of(link: Link, key: bytes) -> str:
    """The link as it stands in a URL."""
    expires = int(link.expires_at.timestamp()) if link.expires_at is not None else 0
    fields = _FIELDS.pack(_KINDS.index(link.kind), expires, link.delivery.bytes, link.contact.bytes)
    return base64.urlsafe_b64encode(fields + _hashed(fields, key)).rstrip(b"=").decode()


def read_token(token: str, kind: Kind, key: bytes) -> Link | None:
    """What it says, expired or not; None when we have not made it, or for something else."""
    if len(token) != _LENGTH or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        return None  # another spelling of the same
    fields, hashed = raw[: _FIELDS.size], raw[_FIELDS.size :]
    if not hmac.compare_digest(hashed, _hashed(fields, key)):
        return None
    number, expires, delivery, contact = _FIELDS.unpack(fields)
    if number != _KINDS.index(kind):
        return None
    return Link(
        kind,
        UUID(bytes=delivery),
        UUID(bytes=contact),
        datetime.fromtimestamp(expires, UTC) if expires else None,
    )


def expired(link: Link, now: datetime) -> bool:
    """Whether it came too late."""
    return link.expires_at is not None and link.expires_at <= now


def links_of(base: str, key: bytes, *, delivery: UUID, contact: UUID, proven: bool, now: datetime) -> MailLinks:
    """The links of a mail that is sent now. `base`: under which URL the pages of nurture are reached from outside."""
    withdraw = token_of(Link("withdraw", delivery, contact), key)
    confirm = token_of(Link("confirm", delivery, contact, now + CONFIRM_WITHIN), key)
    return MailLinks(f"{base}/u/{withdraw}", None if proven else f"{base}/c/{confirm}")


def _hashed(fields: bytes, key: bytes) -> bytes:
    return hmac.digest(key, fields, hashlib.sha256)[:_HASH]
