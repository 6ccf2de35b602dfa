"""Bodies that are not what their Content-Type, Content-Encoding or Content-Length says."""

import gzip
import json
import zlib
from functools import cache
from typing import Final

from tests.malformed.case import EMAIL, EVENT_JSON, JSON, MARKER, Body, Case, Headers

_LEAD: Final = json.dumps({"email": EMAIL}).encode()
_PACKED: Final = gzip.compress(_LEAD)
_BATCH: Final = json.dumps({"batch": [{"type": "track", "userId": "u", "event": "x"}]}).encode()


@cache
def _bomb() -> bytes:
    return gzip.compress(b'{"email": "' + b"x" * 50_000_000)


@cache
def _bomb_of_bombs() -> bytes:
    return gzip.compress(_bomb())


_GZIP: Final[dict[str, tuple[Body, tuple[int, ...]]]] = {
    "plain": (_LEAD, (400,)),
    "nothing": (b"", (400,)),
    "a-byte": (b"\x1f", (400,)),
    "the-magic": (b"\x1f\x8b", (400,)),
    "a-header": (_PACKED[:10], (400,)),
    "half": (_PACKED[: len(_PACKED) // 2], (400,)),
    "without-its-sum": (_PACKED[:-8], (400,)),
    "without-its-last-byte": (_PACKED[:-1], (400,)),
    "a-wrong-sum": (_PACKED[:-8] + bytes(8), (400,)),
    "a-wrong-length": (_PACKED[:-4] + b"\xff" * 4, (400,)),
    "a-wrong-method": (b"\x1f\x8b\x07" + _PACKED[3:], (400,)),
    "a-flipped-byte": (_PACKED[:15] + bytes([_PACKED[15] ^ 0xFF]) + _PACKED[16:], (400,)),
    "garbage-after": (_PACKED + MARKER.encode(), (400,)),
    "two-members": (_PACKED + _PACKED, (400,)),
    "zeros-after": (_PACKED + bytes(100), (400,)),
    "of-gzip": (gzip.compress(_PACKED), (400,)),
    "of-nothing": (gzip.compress(b""), (400,)),
    "zlib": (zlib.compress(_LEAD), (400,)),
    "deflate": (zlib.compress(_LEAD)[2:-4], (400,)),
    "zip": (b"PK\x03\x04" + _LEAD, (400,)),
    "of-no-json": (gzip.compress(MARKER.encode()), (400,)),
    "bomb": (_bomb, (413,)),
    "bomb-of-bombs": (_bomb_of_bombs, (400, 413)),
    "many-empty-members": (gzip.compress(b"") * 1000, (400,)),
}
_ENCODINGS: Final[dict[str, str | bytes]] = {
    "deflate": "deflate", "br": "br", "zstd": "zstd", "compress": "compress", "twice": "gzip, gzip", "list": "br, gzip",
    "word": MARKER, "star": "*", "with-parameter": "gzip;q=1", "comma": ",", "not-ascii": b"\xff\xfe",
}  # fmt: skip
_TYPES: Final[dict[str, str | bytes]] = {
    "text": "text/plain", "csv": "text/csv", "xml": "application/xml", "html": "text/html", "octets": "application/octet-stream",
    "multipart": "multipart/form-data; boundary=x", "word": MARKER, "slash": "/",
    "two": "text/plain, application/json", "not-ascii": b"\xff\xfe/json", "json-like": "application/jsonx",
    "very-long": "x" * 10_000,
}  # fmt: skip
_TYPED: Final[dict[str, tuple[str, bytes, Headers]]] = {
    "/v1/leads": ("WEBSITE", _LEAD, {}),
    "/v1/purchases": ("SHOP", _LEAD, {}),
    "/v1/events": ("SHOP", b"{}", {}),
    "/f/website": ("", _LEAD, {"Accept": "application/json"}),
}


def cases() -> list[Case]:
    """Every lie for the paths that it may be told to."""
    found = []
    for how, (body, statuses) in _GZIP.items():
        headers: Headers = {**JSON, "Content-Encoding": "gzip"}
        found.append(Case(f"lead:gzip:{how}", "/v1/leads", body, statuses, (), "WEBSITE", headers))
    for how in ("plain", "half", "garbage-after", "bomb", "bomb-of-bombs"):
        for path, key in (("/v1/batch", "APP"), ("/v1/events", "SHOP"), ("/f/website", "")):
            body, statuses = _GZIP[how]
            headers = {**(EVENT_JSON if key == "SHOP" else JSON), "Content-Encoding": "gzip"}
            found.append(Case(f"{path}:gzip:{how}", path, body, statuses, (), key, headers))
    for how, encoding in _ENCODINGS.items():
        headers = {**JSON, "Content-Encoding": encoding}
        found.append(Case(f"lead:encoding:{how}", "/v1/leads", _PACKED, (415,), (), "WEBSITE", headers))
        found.append(Case(f"batch:encoding:{how}", "/v1/batch", _BATCH, (415,), (), "APP", headers))
    for path, (key, lead, more) in _TYPED.items():
        for how, kind in _TYPES.items():
            statuses = (415, 422) if (path, how) == ("/f/website", "multipart") else (415,)
            headers = {**more, "Content-Type": kind}
            found.append(Case(f"{path}:type:{how}", path, lead, statuses, (), key, headers))
    return found
