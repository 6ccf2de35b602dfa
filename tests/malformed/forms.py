"""`POST /f/<source>`: url-encoded and multipart bodies of every bad sort, and JSON with fields of wrong types."""

from typing import Any, Final

from tests.malformed import wrong_values as wrong
from tests.malformed.case import EMAIL, FORM, JSON, MARKER, Body, Case

_URL_ENCODED: Final[dict[str, tuple[Body, tuple[int, ...], tuple[str, ...]]]] = {
    "nothing": ("", (422,), ()),
    "ampersands": ("&" * 1000, (422,), ()),
    "equals": ("=" * 1000, (422,), ()),
    "a-word": (MARKER, (422,), ()),
    "no-name": (f"={MARKER}", (422,), ()),
    "percent": (f"your-email=%&x={MARKER}", (422,), ()),
    "percent-percent": (f"your-email=%%%{MARKER}", (422,), ("/your-email",)),
    "percent-letters": (f"your-email=%zz{MARKER}%", (422,), ("/your-email",)),
    "half-a-percent": (f"your-email={MARKER}%4", (422,), ("/your-email",)),
    "percent-not-utf-8": (f"your-email=%ff%fe{MARKER}", (422,), ("/your-email",)),
    "percent-overlong": (f"your-email=%c0%af{MARKER}", (422,), ("/your-email",)),
    "percent-surrogate": (f"your-email=%ed%a0%80{MARKER}", (422,), ("/your-email",)),
    "percent-nul": (f"your-email={MARKER}%00@example.com", (422,), ("/your-email",)),
    "percent-u": (f"your-email=%u0041{MARKER}", (422,), ("/your-email",)),
    "name-not-utf-8": (f"%ff={MARKER}", (422,), ("/email",)),
    "bytes-not-utf-8": (b"your-email=\xff\xfe" + MARKER.encode(), (422,), ("/your-email",)),
    "bytes-utf-16": (f"your-email={EMAIL}".encode("utf-16"), (422,), ("/email",)),
    "nul-bytes": (bytes(1000), (422,), ()),
    "nul-in-a-name": (f"your-email={EMAIL}&odd%00={MARKER}", (422,), ("/odd\0",)),
    "nul-in-a-trait": (f"your-email={EMAIL}&odd={MARKER}%00", (422,), ("/odd",)),
    "json-in-it": (f'{{"your-email": "{EMAIL}"}}', (422,), ()),
    "101-fields": ("&".join(f"f{number}={MARKER}" for number in range(101)), (422,), ("/",)),
    "2000-fields": ("&".join(f"f{number}=x" for number in range(2000)), (422,), ("/",)),
    "100000-fields": (lambda: b"&".join(b"f%d=x" % number for number in range(100_000)), (413,), ()),
    "100000-empty-fields": (lambda: b"&" * 100_000, (413,), ()),
    "a-name-of-30000": ("n" * 30_000 + f"={MARKER}", (422,), ()),
    "a-megabyte": (lambda: b"your-email=" + b"x" * 1_000_000, (413,), ()),
    "wrong-email": (f"your-email={MARKER}", (422,), ("/your-email",)),
    "html": (f"your-email=%3Cscript%3E{MARKER}%3C/script%3E", (422,), ("/your-email",)),
    "phone-only-and-wrong": (f"phone=call-{MARKER}", (422,), ("/phone",)),
    "message-too-long": (f"your-email={EMAIL}&message=" + "x" * 10_001, (422,), ("/message",)),
    "trait-too-long": (f"your-email={EMAIL}&odd=" + MARKER * 1000, (422,), ("/odd",)),
    "campaign-too-long": (f"your-email={EMAIL}&utm_source=" + MARKER * 1000, (422,), ()),
    "message-id-too-long": (f"your-email={EMAIL}&message_id=" + "x" * 257, (422,), ("/message_id",)),
    "user-id-too-long": (f"user_id={'x' * 257}", (422,), ("/user_id",)),
}


def _part(name: str, value: str, *, more: str = "") -> str:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'


_GOOD_PART: Final = _part("your-email", EMAIL)
_END: Final = "--x--\r\n"
_MULTIPART: Final[dict[str, Body]] = {
    "nothing": "",
    "a-word": MARKER,
    "only-the-end": _END,
    "only-a-boundary": "--x\r\n",
    "other-boundary": _GOOD_PART.replace("--x", "--y") + "--y--\r\n",
    "without-an-end": _GOOD_PART,
    "cut-in-a-value": _GOOD_PART[:-10],
    "cut-in-a-header": _GOOD_PART[:30],
    "without-carriage-returns": (_GOOD_PART + _END).replace("\r\n", "\n"),
    "no-empty-line": f'--x\r\nContent-Disposition: form-data; name="your-email"\r\n{EMAIL}\r\n{_END}',
    "no-name": f"--x\r\nContent-Disposition: form-data\r\n\r\n{MARKER}\r\n{_END}",
    "empty-name": _part("", MARKER) + _END,
    "no-headers": f"--x\r\n\r\n{MARKER}\r\n{_END}",
    "header-without-colon": f"--x\r\n{MARKER}\r\n\r\n{MARKER}\r\n{_END}",
    "header-with-spaces": f"--x\r\nContent Disposition: form-data\r\n\r\n{MARKER}\r\n{_END}",
    "header-with-nul": f'--x\r\nContent-Disposition: form-data; name="a\0"\r\n\r\n{MARKER}\r\n{_END}',
    "a-header-of-20000": f"--x\r\nX-Long: {'x' * 20_000}\r\n\r\n{MARKER}\r\n{_END}",
    "1000-headers": f"--x\r\n{'X-Many: x' * 1000}\r\n\r\n{MARKER}\r\n{_END}",
    "a-name-of-20000": _part("n" * 20_000, MARKER) + _END,
    "name-not-utf-8": b'--x\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\nx\r\n--x--\r\n',
    "value-not-utf-8": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\xfe\r\n--x--\r\n',
    "name-with-nul": _GOOD_PART + _part("odd\0", MARKER) + _END,
    "value-with-nul": _part("your-email", f"{MARKER}\0") + _END,
    "file": _GOOD_PART + _part("cv", MARKER, more=f'; filename="{MARKER}.pdf"') + _END,
    "file-with-a-path": _part("cv", MARKER, more='; filename="../../etc/passwd"') + _END,
    "file-name-by-rfc-5987": _part("cv", MARKER, more="; filename*=UTF-8''%ff%fe") + _END,
    "file-name-of-an-unknown-charset": _part("cv", MARKER, more="; filename*=nonsense''%41") + _END,
    "101-parts": "".join(_part(f"f{number}", "x") for number in range(101)) + _END,
    "wrong-email": _part("your-email", MARKER) + _END,
    "open-quote": f'--x\r\nContent-Disposition: form-data; name="your-email\r\n\r\n{MARKER}\r\n{_END}',
    "multipart-in-multipart": _part("a", _GOOD_PART + _END) + _END,
    "base64-part": f"--x\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n{_END}",
}  # fmt: skip
_LARGE_MULTIPART: Final[dict[str, str]] = {
    "10000-parts": "".join(_part(f"f{number}", "x") for number in range(10_000)) + _END,
    "a-part-of-a-megabyte": _part("a", "x" * 1_000_000) + _END,
    "a-header-of-a-megabyte": f"--x\r\nX-Long: {'x' * 1_000_000}\r\n\r\n\r\n{_END}",
    "100000-boundaries": "--x\r\n" * 100_000,
}
_BOUNDARIES: Final[dict[str, str | bytes]] = {
    "none": "multipart/form-data",
    "empty": "multipart/form-data; boundary=",
    "empty-quoted": 'multipart/form-data; boundary=""',
    "very-long": "multipart/form-data; boundary=" + "x" * 5000,
    "not-ascii": b"multipart/form-data; boundary=\xff\xfe",
    "open-quote": 'multipart/form-data; boundary="x',
    "rfc-5987": "multipart/form-data; boundary*=UTF-8''%ff",
    "rfc-5987-unknown": f"multipart/form-data; boundary*={MARKER}''%41",
    "rfc-2231": "multipart/form-data; boundary*0=a; boundary*1=b",
    "spaces": 'multipart/form-data; boundary="   "',
    "semicolons": "multipart/form-data;;;;;;;;",
    "two": "multipart/form-data; boundary=y; boundary=z",
}
_JSON: Final[dict[str, tuple[dict[str, Any], tuple[str, ...]]]] = {
    "nothing": ({}, ()),
    "trait-is-a-list-of-objects": ({"your-email": EMAIL, "odd": [MARKER, {"a": MARKER}]}, ("/odd",)),
    "trait-is-an-object-with-nul": ({"your-email": EMAIL, "odd": {"a": f"{MARKER}\0"}}, ("/odd",)),
    "trait-with-nul": ({"your-email": EMAIL, "odd": f"{MARKER}\0"}, ("/odd",)),
    "nul-in-a-name": ({"your-email": EMAIL, "odd\0": MARKER}, ("/odd\0",)),
    "101-fields": ({"your-email": EMAIL, **{f"f{number}": MARKER for number in range(101)}}, ("/",)),
    "campaign-is-a-list-of-lists": ({"your-email": EMAIL, "utm_source": [[MARKER]]}, ("/utm_source",)),
    "campaign-with-nul": ({"your-email": EMAIL, "utm_source": f"{MARKER}\0"}, ("/utm_source",)),
    "phone-is-a-list": ({"phone": [MARKER]}, ("/phone",)),
    "consent-is-a-list-of-numbers": ({"your-email": EMAIL, "consent": [1]}, ("/consent",)),
    "consent-is-an-object": ({"your-email": EMAIL, "consent": {"a": {"b": [1, {"c": f"{MARKER}\0"}]}}}, ("/consent",)),
}


def cases() -> list[Case]:
    """Every bad form."""
    found = [
        Case(f"form:{how}", "/f/website", body, statuses, at, "", FORM)
        for how, (body, statuses, at) in _URL_ENCODED.items()
    ]
    multipart = {"Content-Type": "multipart/form-data; boundary=x", "Accept": "application/json"}
    for how, body in _MULTIPART.items():
        found.append(Case(f"multipart:{how}", "/f/website", body, (400, 422), (), "", multipart))
    for how, body in _LARGE_MULTIPART.items():
        found.append(Case(f"multipart:{how}", "/f/website", body, (400, 413, 422), (), "", multipart))
    for how, kind in _BOUNDARIES.items():
        headers = {**multipart, "Content-Type": kind}
        found.append(
            Case(f"multipart:boundary:{how}", "/f/website", _GOOD_PART + _END, (400, 415, 422), (), "", headers)
        )
    for how, (fields, at) in _JSON.items():
        found.append(Case(f"form-json:{how}", "/f/website", fields, (422,), at, "", JSON))
    for how, value in wrong.EMAILS.items():
        found.append(
            Case(f"form-json:email:{how}", "/f/website", {"your-email": value}, (422,), ("/your-email",), "", JSON)
        )
    for source in (
        "nowhere",
        "shop",
        "app",
        "",
        "website/",
        "..",
        "%00",
        "%2e%2e",
        "Website",
        "website%20",
        "ẅ",
        "a" * 5000,
    ):
        path = "/f/" + source.replace("ẅ", "%E1%BA%85")
        found.append(Case(f"form:source:{source[:20]}", path, f"email={EMAIL}", (404, 405), (), "", FORM))
    evil = {**FORM, "Origin": "https://evil.example"}
    found.append(Case("form:foreign-page", "/f/fenced", f"email={EMAIL}", (403,), (), "", evil))
    for how, origin in (
        ("null", "null"),
        ("empty", ""),
        ("prefix", "https://example.com.evil.example"),
        ("http", "http://example.com"),
    ):
        headers = {**FORM, "Origin": origin}
        found.append(Case(f"form:foreign-page:{how}", "/f/fenced", f"email={EMAIL}", (403,), (), "", headers))
    return found
