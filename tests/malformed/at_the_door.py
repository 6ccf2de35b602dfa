"""Keys, headers, methods and paths that are wrong, with a body that is good."""

import base64
from typing import Final

from tests.malformed.case import EMAIL, JSON, MARKER, Body, Case, Headers

_GOOD: Final[dict[str, tuple[str, Body]]] = {
    "/v1/leads": ("WEBSITE", {"email": EMAIL}),
    "/v1/purchases": ("SHOP", {"email": EMAIL, "order_id": "1", "amount": "1", "currency": "EUR"}),
    "/v1/track": ("APP", {"userId": "u", "event": "x"}),
    "/v1/batch": ("APP", {"batch": []}),
    "/v1/events": ("SHOP", {"specversion": "1.0"}),
}


def _basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


_AUTHORIZATIONS: Final[dict[str, str | bytes]] = {
    "empty": "",
    "a-word": MARKER,
    "bearer": "Bearer",
    "bearer-nothing": "Bearer ",
    "bearer-unknown": f"Bearer {MARKER}",
    "bearer-two": f"Bearer {MARKER} {MARKER}",
    "bearer-not-ascii": b"Bearer \xff\xfe" + MARKER.encode(),
    "bearer-of-20000": f"Bearer {MARKER * 1600}",
    "basic": "Basic",
    "basic-no-base64": f"Basic !!{MARKER}",
    "basic-cut": "Basic YWJ",
    "basic-not-ascii": b"Basic \xff\xfe",
    "basic-nothing": _basic(""),
    "basic-colon": _basic(":"),
    "basic-only-a-password": _basic(f":{MARKER}"),
    "basic-unknown": _basic(f"{MARKER}:"),
    "basic-no-colon": _basic(MARKER),
    "basic-bytes": _basic(b"\xff\xfe\x00:"),
    "basic-nul": _basic("\0:"),
    "digest": f'Digest username="{MARKER}"',
    "negotiate": f"Negotiate {MARKER}",
    "scheme-of-10000": "x" * 10_000,
}
_OTHERS_KEYS: Final = {"/v1/leads": (), "/v1/purchases": ("WEBSITE", "APP"), "/v1/events": ("WEBSITE", "APP")}
_IDEMPOTENCY_KEYS: Final[dict[str, str | bytes]] = {
    "empty": "", "spaces": "   ", "300-characters": "x" * 300, "10000-characters": "x" * 10_000,
}  # fmt: skip
_ODD_BUT_FINE: Final[dict[str, Headers]] = {
    "traceparent-a-word": {"traceparent": MARKER},
    "traceparent-empty": {"traceparent": ""},
    "traceparent-zeros": {"traceparent": f"00-{'0' * 32}-{'0' * 16}-00"},
    "traceparent-upper-case": {"traceparent": f"00-{'A' * 32}-{'B' * 16}-01"},
    "traceparent-version-ff": {"traceparent": f"ff-{'a' * 32}-{'b' * 16}-01"},
    "traceparent-short": {"traceparent": "00-abc-def-01"},
    "traceparent-long": {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01-{MARKER}"},
    "traceparent-not-ascii": {"traceparent": b"\xff\xfe"},
    "traceparent-of-10000": {"traceparent": "0" * 10_000},
    "idempotency-key-not-ascii": {"Idempotency-Key": b"\xff\xfe\xc3\xa4"},
    "a-header-of-20000": {"X-Long": "x" * 20_000},
    "1000-headers": {f"X-{number}": "x" for number in range(1000)},
    "odd-origin": {"Origin": b"\xff\xfe://x"},
    "odd-user-agent": {"User-Agent": b"\xff\xfe" + b"x" * 5000},
    "odd-referer": {"Referer": "http://[" + "x" * 5000},
    "odd-forwarded": {"X-Forwarded-For": f"{MARKER}, , ::1%eth0, 999.1.1.1"},
    "odd-forwarded-bytes": {"X-Forwarded-For": b"\xff, 1.2.3.4"},
    "odd-accept": {"Accept": b"\xff\xfe"},
    "json-with-charset": {"Content-Type": "application/json; charset=latin-1"},
    "upper-case-type": {"Content-Type": "APPLICATION/JSON"},
    "identity": {"Content-Encoding": "identity"},
    "upper-case-identity": {"Content-Encoding": "Identity"},
}
_BEYOND_32_KB: Final[dict[str, Headers]] = {
    "a-bearer-of-100000": {"Authorization": f"Bearer {MARKER * 8000}"},
    "a-header-of-40000": {"X-Long": "x" * 40_000},
    "a-header-of-100000": {"X-Long": "x" * 100_000},
    "4000-headers": {f"X-{number}": "x" * 10 for number in range(4000)},
}
_PATHS: Final = (
    "/", "//", "/v1", "/v1/", "/v1/leads/", "/v1//leads", "//v1/leads", "/v2/leads", "/V1/LEADS", "/v1/leads%00",
    "/v1/leads/../leads", "/v1/%6ceads%2f", "/v1/lead", "/v1/x", "/v1/tt", "/%ff%fe", "/v1/..%2f..%2fetc/passwd",
    "/../../etc/passwd", "/f", "/f/", "/f//website", "/f/website/x", "/hooks", "/hooks/", "/hooks/nowhere",
    "/hooks/website", "/hooks/shop", "/hooks/%00", "/hooks/..%2fwebsite", "/v1/leads;x=1", "/*", "/" + "x" * 10_000,
    "/" + "a/" * 1000, "/metrics", "/healthz", "/readyz", "/openapi.json", "/docs", "/firsthour.js",
    f"/v1/projects/{MARKER}/settings",
)  # fmt: skip
_QUERIES: Final = (f"email={MARKER}", "x=1&" * 2000, "%ff", "a[]=b", "?", "=")
_METHODS: Final = ("GET", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "PROPFIND", "QUERY", "LINK")


def cases() -> list[Case]:
    """Every bad key, header, path and method."""
    return [*_keys(), *_methods(), *_idempotency_keys(), *_paths(), *_beyond_32_kb(), *_taken()]


def _keys() -> list[Case]:
    found = []
    for path, (_key, body) in _GOOD.items():
        for how, value in _AUTHORIZATIONS.items():
            headers: Headers = {**JSON, "Authorization": value}
            found.append(Case(f"{path}:key:{how}", path, body, (401,), (), "", headers))
        found.append(Case(f"{path}:no-key", path, body, (401,), (), "", JSON))
        others = _OTHERS_KEYS.get(path, ())
        found += [Case(f"{path}:key-of-{other}", path, body, (403,), (), other, JSON) for other in others]
    return found


def _methods() -> list[Case]:
    return [
        Case(f"{path}:{method}", path, body, (404, 405), (), key, JSON, method)
        for path, (key, body) in _GOOD.items()
        for method in _METHODS
    ]


def _idempotency_keys() -> list[Case]:
    return [
        Case(f"{path}:idempotency-key:{how}", path, _GOOD[path][1], (400,), (), _GOOD[path][0], {**JSON, "Idempotency-Key": key})
        for how, key in _IDEMPOTENCY_KEYS.items()
        for path in ("/v1/leads", "/v1/purchases")
    ]  # fmt: skip


def _paths() -> list[Case]:
    return [
        Case(f"path:{path[:40]}", path, {"email": EMAIL}, (400, 404, 405), (), "WEBSITE", JSON)
        for path in _PATHS
    ]  # fmt: skip


def _beyond_32_kb() -> list[Case]:
    return [
        Case(f"{path}:too-large:{how}", path, body, (431,), (), "", {**JSON, **more})
        for path, (_key, body) in _GOOD.items()
        for how, more in _BEYOND_32_KB.items()
    ]


def _taken() -> list[Case]:
    key, body = _GOOD["/v1/leads"]
    return [
        *(Case(f"taken:{how}", "/v1/leads", body, (202,), (), key, {**JSON, **more}) for how, more in _ODD_BUT_FINE.items()),
        *(Case(f"taken:query:{query[:20]}", f"/v1/leads?{query}", body, (202,), (), key, JSON) for query in _QUERIES),
    ]  # fmt: skip
