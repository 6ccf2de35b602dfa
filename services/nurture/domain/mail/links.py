"""Links in mails. Only we can make one; each is for one purpose, and reveals nothing.

A token holds ids and a keyed hash over them: no URL, and so no log or history, holds an address.
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
_KINDS: Final[tuple[Kind, ...]] = ("confirm", "withdraw")  # stored in sent mails: only append
_FIELDS: Final = struct.Struct(">BI16s16s")  # kind, seconds since 1970 or 0, delivery, contact
_HASH: Final = 16  # bytes of the hash: 128 bits are beyond guessing
_LENGTH: Final = len(base64.urlsafe_b64encode(bytes(_FIELDS.size + _HASH)).rstrip(b"="))


@dataclass(frozen=True, slots=True)
class Link:
    """The content of a link. `delivery`: its mail. `expires_at` to the second; None: it works for years.

    A withdrawal names the contact, too: it works after the mail's row is gone.
    """

    kind: Kind
    delivery: UUID
    contact: UUID
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MailLinks:
    """The links of one mail as URLs. `confirm`: only for an unproven address."""

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
    """The link, expired or not; None when we did not make it, or for another purpose."""
    if len(token) != _LENGTH or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        return None  # a different spelling of the same token
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
    """Whether it has expired."""
    return link.expires_at is not None and link.expires_at <= now


def links_of(base: str, key: bytes, *, delivery: UUID, contact: UUID, proven: bool, now: datetime) -> MailLinks:
    """The links of a mail that is sent now. `base`: under which URL the pages of nurture are reached from outside."""
    withdraw = token_of(Link("withdraw", delivery, contact), key)
    confirm = token_of(Link("confirm", delivery, contact, now + CONFIRM_WITHIN), key)
    return MailLinks(f"{base}/u/{withdraw}", None if proven else f"{base}/c/{confirm}")


def _hashed(fields: bytes, key: bytes) -> bytes:
    return hmac.digest(key, fields, hashlib.sha256)[:_HASH]
