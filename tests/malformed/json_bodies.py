"""Bodies that are no JSON, or JSON that nobody can keep, for every path that takes JSON."""

from typing import Final

from tests.malformed.case import EMAIL, EVENT_JSON, EVENTS_JSON, JSON, MARKER, Body, Case

# Path → key and headers.
_PATHS: Final = {
    "/v1/leads": ("WEBSITE", JSON),
    "/v1/purchases": ("SHOP", JSON),
    "/v1/track": ("APP", JSON),
    "/v1/batch": ("APP", JSON),
    "/v1/events": ("SHOP", EVENT_JSON),
    "/f/website": ("", JSON),
}
_BROKEN: Final[dict[str, Body]] = {
    "nothing": b"",
    "white-space": b" \r\n\t ",
    "open-brace": b"{",
    "open-bracket": b"[",
    "open-text": f'{{"email": "{EMAIL}'.encode(),
    "no-value": b'{"email":}',
    "no-colon": f'{{"email" "{EMAIL}"}}'.encode(),
    "bare-word": f"{{email: {MARKER}}}".encode(),
    "single-quotes": f"{{'email': '{EMAIL}'}}".encode(),
    "trailing-comma": f'{{"email": "{EMAIL}",}}'.encode(),
    "trailing-garbage": f'{{"email": "{EMAIL}"}} {MARKER}'.encode(),
    "two-documents": f'{{"email": "{EMAIL}"}}{{"email": "{EMAIL}"}}'.encode(),
    "comment": f'{{"email": "{EMAIL}" /* {MARKER} */}}'.encode(),
    "number": b"1",
    "text": f'"{MARKER}"'.encode(),
    "null": b"null",
    "true": b"true",
    "half-null": b"nul",
    "nan": b'{"email": NaN}',
    "infinity": b'{"email": -Infinity}',
    "too-large-a-float": b'{"email": 1e400}',
    "leading-zero": b'{"email": 01}',
    "plus": b'{"email": +1}',
    "hexadecimal": b'{"email": 0x1}',
    "lone-surrogate": f'{{"email": "\\ud800{MARKER}"}}'.encode(),
    "wrong-surrogates": f'{{"email": "\\udc00\\ud800{MARKER}"}}'.encode(),
    "surrogate-in-a-name": f'{{"\\ud800": "{MARKER}"}}'.encode(),
    "half-an-escape": b'{"email": "\\u12"}',
    "wrong-escape": f'{{"email": "\\x{MARKER}"}}'.encode(),
    "newline-in-text": f'{{"email": "{MARKER}\n"}}'.encode(),
    "nul-in-text": f'{{"email": "{MARKER}\0"}}'.encode(),
    "nul-after": f'{{"email": "{EMAIL}"}}\0'.encode(),
    "bom": b"\xef\xbb\xbf" + f'{{"email": "{EMAIL}"}}'.encode(),
    "utf-16": f'{{"email": "{EMAIL}"}}'.encode("utf-16"),
    "utf-16-be": f'{{"email": "{EMAIL}"}}'.encode("utf-16-be"),
    "utf-32": f'{{"email": "{EMAIL}"}}'.encode("utf-32"),
    "latin-1": f'{{"email": "ä{EMAIL}"}}'.encode("latin-1"),
    "overlong-utf-8": b'{"email": "\xc0\xafs3cr3t-marker"}',
    "utf-8-of-a-surrogate": b'{"email": "\xed\xa0\x80s3cr3t-marker"}',
    "utf-8-beyond-unicode": b'{"email": "\xf4\x90\x80\x80s3cr3t-marker"}',
    "utf-8-cut-off": b'{"email": "s3cr3t-marker\xe2\x82"}',
    "wrong-utf-8-in-a-name": b'{"\xff": "s3cr3t-marker"}',
    "xml": f"<lead><email>{EMAIL}</email></lead>".encode(),
    "url-encoded": f"email={EMAIL}".encode(),
    "nested-3000-lists": lambda: b"[" * 3_000,
    "nested-1500-objects": lambda: b'{"a":' * 1_500 + b"1" + b"}" * 1_500,
    "digits-without-end": lambda: b'{"email": ' + b"9" * 20_000 + b"}",
}
# A batch is read whatever one value in it is, so that no message is lost for its neighbour: these are told apart inside.
_READ: Final = frozenset(
    ("/v1/batch", name)
    for name in (
        "too-large-a-float",
        "latin-1",
        "overlong-utf-8",
        "utf-8-of-a-surrogate",
        "utf-8-beyond-unicode",
        "utf-8-cut-off",
        "wrong-utf-8-in-a-name",
    )
)
_TOO_LARGE: Final[dict[str, tuple[Body, tuple[int, ...]]]] = {
    "nested-10000-lists": (lambda: b"[" * 10_000, (400, 413)),
    "nested-3000-objects": (lambda: b'{"a":' * 3_000 + b"1" + b"}" * 3_000, (400, 413)),
    "nested-100000-lists": (lambda: b"[" * 100_000, (400, 413)),
    "nested-100000-closed-lists": (lambda: b"[" * 100_000 + b"]" * 100_000, (400, 413)),
    "one-text-of-a-megabyte": (lambda: b'{"email": "' + b"x" * 1_000_000 + b'"}', (413,)),
    "a-megabyte-of-spaces": (lambda: b" " * 1_000_000, (413,)),
    "ten-megabytes-of-zeros": (lambda: bytes(10_000_000), (413,)),
}
_LIST_PATHS: Final = {"a-list": f'[{{"email": "{EMAIL}"}}]'.encode(), "an-empty-list": b"[]"}


def cases() -> list[Case]:
    """Every broken body for every path."""
    found = []
    for path, (key, headers) in _PATHS.items():
        for name, body in {**_BROKEN, **_LIST_PATHS}.items():
            statuses = (400, 422) if name == "digits-without-end" or (path, name) in _READ else (400,)
            found.append(Case(f"{path}:{name}", path, body, statuses, key=key, headers=headers))
        for name, (body, too_large) in _TOO_LARGE.items():
            found.append(Case(f"{path}:{name}", path, body, too_large, key=key, headers=headers))
    for name, body in _BROKEN.items():
        statuses = (400, 422) if name == "digits-without-end" else (400,)
        found.append(Case(f"events-batch:{name}", "/v1/events", body, statuses, key="SHOP", headers=EVENTS_JSON))
    return found
