"""Opaque cursors: where a list goes on. Never a row number, so that new rows move nothing."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from shared.http.problems import FieldError, Problem


def encode_cursor(values: Sequence[str | int]) -> str:
    """The sort values of the last row shown, as one opaque word."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(values))).decode().rstrip("=")


def decode_cursor(text: str) -> list[str | int]:
    """The sort values behind a cursor. Raises Problem 400 when the word is not one of ours."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=list[str | int])
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise wrong_cursor() from None


def cursor_time(part: str | int) -> datetime:
    """A moment in a cursor, in UTC. Raises Problem 400 when it is none, or lies beyond the years 1 to 9999 there."""
    try:
        return datetime.fromisoformat(str(part)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong_cursor() from None


def wrong_cursor() -> Problem:
    """The answer to a cursor that is not one of ours."""
    wrong = FieldError("/query/cursor", "not a cursor that this list gave out")
    return Problem(400, "The cursor cannot be read", errors=[wrong])
