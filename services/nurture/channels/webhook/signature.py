"""Standard Webhooks 1.0, scheme v1: HMAC-SHA256 over id, timestamp and the very bytes that are sent."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

_PREFIX: Final = "whsec_"
_SHORTEST: Final = 24
_LONGEST: Final = 64


def parse_secret(text: str) -> bytes:
    """The key in `whsec_<base64>`. Raises ValueError (without the secret in it) unless it has 24 to 64 bytes."""
    try:
        key = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a webhook secret is whsec_ and base64") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"a webhook secret has {_SHORTEST} to {_LONGEST} bytes, this one has {len(key)}")
    return key


def signature(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one `v1,…` for each key, so that a receiver may know the old or the new one.

    `timestamp` is the attempt's, in unix seconds. Must never change: receivers verify exactly this text.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def signed_headers(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt: the id is the same for every attempt, timestamp and signature are its own."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(keys, message_id, timestamp, body),
    }
