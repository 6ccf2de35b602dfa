"""Common parts of signature checks, in constant time."""

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from services.ingest.domain.hooks.hook import TOLERANCE_S, Incoming, Unverified, same, sha256

_LONGEST_TIME: Final = 14  # digits: milliseconds until the year 5138


def header(incoming: Incoming, name: str) -> str:
    """The header's value. Raises Unverified when it is missing or empty."""
    value = incoming.headers.get(name, "").strip()
    if not value:
        raise Unverified(f"the header {name} is missing")
    return value


def check_match(given: Iterable[str], expected: Sequence[str]) -> None:
    """Whether one of the given signatures is one of the expected. Raises Unverified."""
    found = False
    for each in given:
        for one in expected:
            found |= same(each, one)
    if not found:
        raise Unverified("the signature is wrong")


def check_age(stamp: str, now: datetime, *, per_second: int = 1, tolerance_s: float = TOLERANCE_S) -> None:
    """Whether a signed Unix time, in `1/per_second` seconds, is close enough to now, both ways. Raises Unverified."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= _LONGEST_TIME):
        raise Unverified("the timestamp is not a Unix time")
    if abs(now.timestamp() - int(stamp) / per_second) > tolerance_s:
        raise Unverified("the timestamp is too far from now")


def check_body_in_base64(incoming: Incoming, secrets: Sequence[str], name: str) -> None:
    """Whether the header is the body's HMAC-SHA256 in base64, with any of the secrets. Raises Unverified."""
    expected = [base64.b64encode(sha256(secret.encode(), incoming.body)).decode() for secret in secrets]
    check_match([header(incoming, name)], expected)
