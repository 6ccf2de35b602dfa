"""What no HTTP client would send: request lines, headers and lengths that lie."""

from dataclasses import dataclass
from typing import Final

import pytest

from tests.malformed.case import EMAIL, MARKER
from tests.malformed.target import Target

pytestmark = pytest.mark.xdist_group("malformed")

_LEAD: Final = f'{{"email": "{EMAIL}"}}'.encode()
_KEY: Final = b"<key>"  # stands for the write key
_HEAD: Final = b"Host: x\r\nAuthorization: Bearer <key>\r\nContent-Type: application/json\r\nConnection: close\r\n"
_POST: Final = b"POST /v1/leads HTTP/1.1\r\n" + _HEAD
_LENGTH: Final = b"Content-Length: %d\r\n" % len(_LEAD)


def _chunks(text: bytes) -> bytes:
    return _POST + b"Transfer-Encoding: chunked\r\n\r\n" + text


@dataclass(frozen=True)
class Raw:
    """`statuses`: those that are right; 0 is a connection that is closed without an answer."""

    name: str
    sent: bytes
    statuses: tuple[int, ...] = (400,)
    half_close: bool = False


REFUSED: Final = [
    Raw("a-word", MARKER.encode() + b"\r\n\r\n"),
    Raw("zeros", bytes(1000) + b"\r\n\r\n"),
    Raw("bytes", bytes(range(256)) + b"\r\n\r\n"),
    Raw("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)),
    Raw("http-2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Raw("http-0.9", b"POST /v1/leads\r\n\r\n", (400, 401)),
    Raw("http-9", _POST.replace(b"1.1", b"9.9", 1) + _LENGTH + b"\r\n" + _LEAD),
    Raw("no-version", _POST.replace(b" HTTP/1.1", b"", 1) + _LENGTH + b"\r\n" + _LEAD, (202, 400)),
    Raw("no-path", b"POST HTTP/1.1\r\n" + _HEAD + b"\r\n"),
    Raw("two-paths", b"POST /v1/leads /v1/leads HTTP/1.1\r\n" + _HEAD + b"\r\n"),
    Raw("unknown-method", b"S3CR3T /v1/leads HTTP/1.1\r\n" + _HEAD + b"\r\n"),
    Raw("lower-case-method", _POST.replace(b"POST", b"post", 1) + _LENGTH + b"\r\n" + _LEAD),
    Raw("nul-in-the-path", b"POST /v1/leads\0 HTTP/1.1\r\n" + _HEAD + b"\r\n"),
    Raw("utf-8-in-the-path", "POST /v1/é HTTP/1.1\r\n".encode() + _HEAD + _LENGTH + b"\r\n" + _LEAD),
    Raw("latin-1-in-the-path", b"POST /v1/\xe9 HTTP/1.1\r\n" + _HEAD + _LENGTH + b"\r\n" + _LEAD),
    Raw("nul-in-a-header", _POST + b"X-Odd: s3cr3t-marker\0\r\n\r\n"),
    Raw("nul-in-a-header-name", _POST + b"X\0Odd: s3cr3t-marker\r\n\r\n"),
    Raw("space-in-a-header-name", _POST + b"X Odd: s3cr3t-marker\r\n\r\n"),
    Raw("space-before-a-colon", _POST + b"X-Odd : s3cr3t-marker\r\n\r\n"),
    Raw("no-colon", _POST + b"s3cr3t-marker\r\n\r\n"),
    Raw("no-header-name", _POST + b": s3cr3t-marker\r\n\r\n"),
    Raw("carriage-return-in-a-header", _POST + b"X-Odd: s3cr3t\rmarker\r\n\r\n"),
    Raw("length-negative", _POST + b"Content-Length: -1\r\n\r\n"),
    Raw("length-plus", _POST + b"Content-Length: +5\r\n\r\n12345"),
    Raw("length-hexadecimal", _POST + b"Content-Length: 0x10\r\n\r\n" + _LEAD),
    Raw("length-a-word", _POST + b"Content-Length: s3cr3t-marker\r\n\r\n" + _LEAD),
    Raw("length-empty", _POST + b"Content-Length:\r\n\r\n" + _LEAD),
    Raw("length-two-numbers", _POST + b"Content-Length: 5, 6\r\n\r\n" + _LEAD),
    Raw("length-twice", _POST + _LENGTH + b"Content-Length: 5\r\n\r\n" + _LEAD),
    Raw("length-of-400-digits", _POST + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n"),
    Raw("length-beyond-64-bits", _POST + b"Content-Length: 18446744073709551616\r\n\r\n"),
    Raw("length-of-an-exabyte", _POST + b"Content-Length: 1000000000000000000\r\n\r\n", (413,)),
    Raw("length-and-chunks", _POST + _LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    Raw("chunks-and-length", _POST + b"Transfer-Encoding: chunked\r\n" + _LENGTH + b"\r\n0\r\n\r\n"),
    Raw("chunked-twice", _POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    Raw("chunked-misspelt", _POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    Raw("chunked-not-last", _POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    Raw("chunk-without-a-size", _chunks(b"\r\n" + _LEAD + b"\r\n0\r\n\r\n")),
    Raw("chunk-size-a-word", _chunks(b"s3cr3t-marker\r\n" + _LEAD + b"\r\n0\r\n\r\n")),
    Raw("chunk-size-negative", _chunks(b"-5\r\n" + _LEAD + b"\r\n0\r\n\r\n")),
    Raw("chunk-size-beyond-64-bits", _chunks(b"f" * 17 + b"\r\n" + _LEAD + b"\r\n0\r\n\r\n")),
    Raw("chunk-shorter-than-it-says", _chunks(b"400\r\n" + _LEAD + b"\r\n0\r\n\r\n"), (400, 0), half_close=True),
    Raw("chunk-longer-than-it-says", _chunks(b"5\r\n" + _LEAD + b"\r\n0\r\n\r\n")),
    Raw("chunks-without-an-end", _chunks(b"%x\r\n" % len(_LEAD) + _LEAD + b"\r\n"), (400, 0), half_close=True),
    Raw("chunks-that-sum-up-to-too-much", _chunks(b"4000\r\n" + b" " * 0x4000 + b"\r\n") + b"4000\r\n" + b" " * 0x4000 + b"\r\n1\r\n \r\n0\r\n\r\n", (413,)),
    Raw("an-empty-chunked-body", _chunks(b"0\r\n\r\n")),
    Raw("body-shorter-than-its-length", _POST + b"Content-Length: 1000\r\n\r\n" + _LEAD, (400, 0), half_close=True),
    Raw("headers-without-an-end", _POST, (400, 0), half_close=True),
    Raw("half-a-request-line", b"POST /v1/le", (400, 0), half_close=True),
    Raw("nothing", b"", (400, 0), half_close=True),
    Raw("connect", b"CONNECT x:443 HTTP/1.1\r\n" + _HEAD + b"\r\n", (400, 404, 405)),
    Raw("star", b"OPTIONS * HTTP/1.1\r\n" + _HEAD + b"\r\n", (400, 404, 405)),
    Raw("star-post", b"POST * HTTP/1.1\r\n" + _HEAD + _LENGTH + b"\r\n" + _LEAD, (400, 404, 405)),
    Raw("no-slash", b"POST v1/leads HTTP/1.1\r\n" + _HEAD + _LENGTH + b"\r\n" + _LEAD, (400, 404)),
    Raw("two-keys", _POST + b"Authorization: Bearer s3cr3t-marker\r\n" + _LENGTH + b"\r\n" + _LEAD, (400, 401)),
    Raw("upgrade", _POST.replace(b"close", b"Upgrade") + b"Upgrade: websocket\r\nContent-Length: 0\r\n\r\n", (400,)),
    Raw("expect-nonsense", _POST + b"Expect: s3cr3t-marker\r\nContent-Length: 0\r\n\r\n", (400, 417)),
]  # fmt: skip
TAKEN: Final = [
    Raw("chunked", _chunks(b"%x\r\n" % len(_LEAD) + _LEAD + b"\r\n0\r\n\r\n"), (202,)),
    Raw("byte-by-byte", _chunks(b"".join(b"1\r\n%c\r\n" % byte for byte in _LEAD) + b"0\r\n\r\n"), (202,)),
    Raw("chunk-extension", _chunks(b"%x;a=b\r\n" % len(_LEAD) + _LEAD + b"\r\n0\r\n\r\n"), (202,)),
    Raw("trailers", _chunks(b"%x\r\n" % len(_LEAD) + _LEAD + b"\r\n0\r\nX-Odd: 1\r\n\r\n"), (202,)),
    Raw("whole-address", _POST.replace(b"/v1/leads", b"http://x/v1/leads") + _LENGTH + b"\r\n" + _LEAD, (202,)),
    Raw("no-host", _POST.replace(b"Host: x\r\n", b"") + _LENGTH + b"\r\n" + _LEAD, (202, 400)),
    Raw("http-1.0", _POST.replace(b"1.1", b"1.0", 1) + _LENGTH + b"\r\n" + _LEAD, (202,)),
    Raw("expect", _POST + b"Expect: 100-continue\r\n" + _LENGTH + b"\r\n" + _LEAD, (202,)),
    Raw("empty-line-first", b"\r\n" + _POST + _LENGTH + b"\r\n" + _LEAD, (202,)),
]


@pytest.mark.parametrize("raw", [*REFUSED, *TAKEN], ids=lambda raw: raw.name)
def test_bytes_that_lie_change_nothing_for_others(target: Target, raw: Raw) -> None:
    logged = target.log_size()
    answer = target.send(raw.sent.replace(_KEY, target.keys["WEBSITE"].encode()), half_close=raw.half_close)
    assert answer.status in raw.statuses, answer
    assert MARKER.encode() not in answer.body
    assert target.takes_a_good_lead()
    log = target.log(logged)
    assert MARKER not in log
    assert "request_failed" not in log, log


def test_what_is_smuggled_behind_a_request_is_not_taken(target: Target) -> None:
    """Whichever of the two lengths a proxy in front believes, ingest believes neither."""
    inner = _POST + _LENGTH + b"\r\n" + _LEAD.replace(b"s3cr3t", b"smuggled")
    body = b"0\r\n\r\n" + inner
    for framing in (
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(body),
        b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n" % len(body),
        b"Transfer-Encoding : chunked\r\nContent-Length: %d\r\n" % len(body),
        b"Transfer-Encoding: \tchunked\x0b\r\nContent-Length: %d\r\n" % len(body),
    ):
        sent = _POST.replace(b"close", b"keep-alive") + framing + b"\r\n" + body
        answer = target.send(sent.replace(_KEY, target.keys["WEBSITE"].encode()))
        assert answer.status == 400, (framing, answer)
    good = target.post("/v1/leads", {"email": "behind@example.com"}, "WEBSITE").json["id"]
    records = target.arrivals.wait_for(lambda found: any(record.event["id"] == good for record in found))
    assert not any(b"smuggled" in record.value for record in records)


def test_a_client_that_hangs_up_is_no_error(target: Target) -> None:
    logged = target.log_size()
    for sent in (_POST[:40], _POST, _POST + b"Content-Length: 1000\r\n\r\n{", _chunks(b"400\r\n{")):
        target.hang_up_after(sent.replace(_KEY, target.keys["WEBSITE"].encode()))
    assert target.takes_a_good_lead()
    assert '"level": "error"' not in target.log(logged)
