"""Reads request bodies: counted as they stream in, inflated within bounds, decoded once."""

import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from shared.http.problems import FieldError, Problem

Receive = Callable[[], Awaitable[dict[str, Any]]]
_GZIP: Final = (b"gzip", b"x-gzip")  # one and the same (RFC 9110)
_JSON: Final = msgspec.json.Decoder()


class ClientGone(Exception):  # noqa: N818 - reads as what happened
    """The client hung up before its body was whole; there is nobody to answer."""


async def read_body(receive: Receive, *, declared: bytes | None, largest: int) -> bytes:
    """The whole body. Raises Problem 413 as soon as it is known to be too large, whatever was declared."""
    if declared is not None and declared.isdigit() and int(declared) > largest:
        raise _too_large(largest)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ClientGone
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > largest:
                raise _too_large(largest)
        body = b"".join(parts)
    if len(body) > largest:
        raise _too_large(largest)
    return body


def inflate(body: bytes, encoding: bytes | None, *, largest: int) -> bytes:
    """The body unpacked; a bomb stops at the bound. Raises Problem 400, 413 or 415."""
    coding = (encoding or b"identity").strip().lower()
    if coding == b"identity":
        return body
    if coding not in _GZIP:
        raise Problem(415, "This content encoding is not taken", "Send the body plain or with gzip.")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, largest + 1)
    except zlib.error:
        raise Problem(400, "The body is not gzip, as its header says") from None
    if len(plain) > largest or unpacker.unconsumed_tail:
        raise _too_large(largest)
    if not unpacker.eof:
        raise Problem(400, "The gzip body is cut off")
    if unpacker.unused_data:  # a second part would be lost without a word
        raise Problem(400, "The gzip body goes on after its end")
    return plain


def decode_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises Problem 400 with the place, or when it is no object."""
    decoded = decode_json(body)
    if not isinstance(decoded, dict):
        raise Problem(400, "The body is not a JSON object", errors=[FieldError("/", "must be an object")])
    return decoded


def decode_json(body: bytes) -> Any:
    """The body as JSON. Raises Problem 400 with the place."""
    try:
        return _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "The body is not valid JSON", str(error)) from None
    except RecursionError:
        raise Problem(400, "The body is nested too deeply") from None


def _too_large(largest: int) -> Problem:
    return Problem(413, "The body is too large", f"At most {largest} bytes are taken here.")
