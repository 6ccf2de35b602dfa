"""A signed moment in a form: it tells how long filling in took, and a robot cannot make one up."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final

_LONGEST: Final = 80
_TAG: Final = 12  # bytes of the signature: enough against guessing


def make_stamp(secret: bytes, source: str, now: datetime) -> str:
    """`<unix milliseconds>.<signature>`, for this source alone."""
    moment = str(int(now.timestamp() * 1000))
    return f"{moment}.{_sign(secret, source, moment)}"


def fill_seconds(secret: bytes, source: str, stamp: str, now: datetime) -> float | None:
    """Seconds since the stamp was made; None when it is forged or from the future.

    A page that was left open for days is still a person's, and who has an old stamp could as well send none.
    """
    moment, _, signature = stamp[:_LONGEST].partition(".")
    if not moment.isdecimal() or not moment.isascii():
        return None
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _sign(secret, source, moment).encode()):
        return None
    seconds = (now - datetime.fromtimestamp(int(moment) / 1000, UTC)).total_seconds()
    return seconds if seconds >= 0 else None


def _sign(secret: bytes, source: str, moment: str) -> str:
    tag = hmac.digest(secret, f"form-stamp\n{source}\n{moment}".encode(), hashlib.sha256)[:_TAG]
    return base64.urlsafe_b64encode(tag).decode()
