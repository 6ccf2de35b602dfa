"""Opaque cursors: where a list goes on. Never a row number, so that new rows move nothing."""

import base64
import binascii
from collections.abc import Sequence

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
        wrong = FieldError("/query/cursor", "not a cursor that this list gave out")
        raise Problem(400, "The cursor cannot be read", errors=[wrong]) from None
