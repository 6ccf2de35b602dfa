"""Reads a request's body: inflated within bounds, decoded once."""

import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from shared.http.problems import FieldError, Problem

Receive = Callable[[], Awaitable[dict[str, Any]]]
_GZIP: Final = (b"gzip", b"x-gzip")  # the same (RFC 9110)
_JSON: Final = msgspec.json.Decoder()
# A Python object for `{}` is twenty times as large as the text, so the decoded size is bounded too: one value per
# eight bytes.
MOST_VALUES: Final = 4096  # per message
MOST_VALUES_OF_BATCH: Final = 65_536


class ClientGone(Exception):  # noqa: N818 - reads as what happened
    """The client disconnected before its body was complete; nobody is there to answer."""


def inflate(body: bytes, encoding: bytes | None, *, largest: int) -> bytes:
    """The body, decompressed; a bomb stops at the bound. Raises Problem 400, 413 or 415."""
    coding = (encoding or b"identity").strip().lower()
    if coding == b"identity":
        return body
    if coding not in _GZIP:
        raise Problem(415, "This content encoding is not accepted", "Send the body plain or with gzip.")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, largest + 1)
    except zlib.error:
        raise Problem(400, "The body is not gzip, as its header says") from None
    if len(plain) > largest or unpacker.unconsumed_tail:
        raise too_large(largest)
    if not unpacker.eof:
        raise Problem(400, "The gzip body is cut off")
    if unpacker.unused_data:  # a second member would be lost silently
        raise Problem(400, "The gzip body has data after its end")
    return plain


def decode_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises Problem 400 with the position, or when it is no object."""
    decoded = decode_json(body)
    if not isinstance(decoded, dict):
        raise _no_object()
    return decoded


def _no_object() -> Problem:
    return Problem(400, "The body is not a JSON object", errors=[FieldError("/", "must be an object")])


def decode_json(body: bytes, decoder: msgspec.json.Decoder[Any] = _JSON, *, most: int = MOST_VALUES) -> Any:
    """The body as JSON. Raises Problem 400 with the position, or 413 when it holds more than `most` values."""
    bounded(body, most)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise _no_object() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "The body is not valid JSON", str(error)) from None
    except RecursionError:
        raise Problem(400, "The body is nested too deeply") from None


def bounded(body: bytes, most: int = MOST_VALUES) -> bytes:
    """The body, if it holds at most so many values; counted before anything is decoded. Raises Problem 413.

    Each is counted by the comma or bracket before it; an object, the largest kind, counts as two.
    """
    if len(body) > most and body.count(b",") + body.count(b"[") + 2 * body.count(b"{") > most:
        raise Problem(413, "The body holds too many values", f"At most {most} are taken here.")
    return body


def too_large(largest: int) -> Problem:
    """The response to a body of more than `largest` bytes."""
    return Problem(413, "The body is too large", f"At most {largest} bytes are taken here.")
