"""Headers and bodies as anybody may send them: what is read of them, or a problem that says so, and nothing else."""

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.accept.intake import _given, _trace_of
from services.ingest.domain.fact import Fact
from services.ingest.domain.hooks.generic import Signature
from services.ingest.domain.hooks.hook import Incoming, Unverified
from services.ingest.domain.hooks.registry import SENDERS
from services.ingest.domain.plain.leads import read_lead
from services.ingest.http.access import write_key
from services.ingest.http.body import Receive, decode_json, decode_object, inflate
from services.ingest.http.byte_budget import Room
from services.ingest.http.client_address import Proxies, sender
from services.ingest.http.exchange import Request
from shared.clock import new_id
from shared.http.problems import Problem
from tests.unit.ingest.any_json import CALM, NOW

T = TypeVar("T")
ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)
LARGEST = 1000
# Every header that a sender is known to sign in.
SIGNED_IN = (
    "stripe-signature", "x-shopify-hmac-sha256", "x-shopify-topic", "x-wc-webhook-signature", "x-wc-webhook-topic",
    "typeform-signature", "tally-signature", "calendly-webhook-signature", "x-hubspot-signature-v3",
    "x-hubspot-request-timestamp", "x-hub-signature-256", "webhook-id", "webhook-timestamp", "webhook-signature", "x-key",
)  # fmt: skip
SIGNATURES = st.text(max_size=80) | st.from_regex(
    r"(sha256=|v1,|t=\d{1,15},v1=)?[0-9a-zA-Z+/=]{0,64}|\d{1,15}", fullmatch=True
)


def a_request(headers: dict[bytes, bytes], receive: Receive) -> Request:
    room = Room(10**9)
    return Request({}, receive, headers, "", "", room, room.enter(None))


def outcome(read: Callable[[], T]) -> tuple[T | None, int]:
    """What was read, and 0; or the status of the problem. Whatever else is raised fails the test."""
    try:
        return read(), 0
    except Problem as problem:
        return None, problem.status


@given(body=st.binary() | st.text().map(str.encode) | st.from_regex(rb'[\[\]{}":,0-9eE.\\u-]{0,40}', fullmatch=True))
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    decoded, status = outcome(lambda: decode_json(body))
    if status:
        assert status == 400
        return
    assert decoded == json.loads(body)
    assert json.dumps(decoded, allow_nan=False, ensure_ascii=False).encode(), "no NaN, no infinity, no surrogates"
    assert outcome(lambda: decode_object(body))[1] == (0 if isinstance(decoded, dict) else 400)


@given(
    body=st.binary(max_size=300),
    encoding=st.sampled_from([None, b"", b"gzip", b" GZIP ", b"x-gzip", b"br"]) | st.binary(),
)
def test_any_bytes_are_unpacked_or_refused(body: bytes, encoding: bytes | None) -> None:
    plain, status = outcome(lambda: inflate(body, encoding, largest=LARGEST))
    assert status in (400, 413, 415) if plain is None else plain in (body, *_unpacked(body))


def _unpacked(body: bytes) -> tuple[bytes, ...]:
    try:
        return (gzip.decompress(body),)
    except (OSError, EOFError, zlib.error):
        return ()


@given(
    body=st.binary(max_size=3 * LARGEST) | st.integers(0, 3 * LARGEST).map(bytes),
    cut=st.integers(0, 30),
    behind=st.binary(max_size=3),
)
def test_what_was_packed_comes_out_whole_and_never_larger_than_the_bound(body: bytes, cut: int, behind: bytes) -> None:
    packed = gzip.compress(body)
    packed = packed[: len(packed) - cut] + behind
    plain, status = outcome(lambda: inflate(packed, b"gzip", largest=LARGEST))
    if packed == gzip.compress(body):
        assert (plain, status) == ((body, 0) if len(body) <= LARGEST else (None, 413))
    else:
        assert status in (400, 413), "cut off, or with something behind it"


@given(parts=st.lists(st.binary(max_size=600), min_size=1, max_size=6), declared=st.none() | st.binary(max_size=30))
async def test_a_body_is_counted_as_it_comes_whatever_was_declared(parts: list[bytes], declared: bytes | None) -> None:
    messages = iter(
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    )

    async def receive() -> Any:
        return next(messages)

    headers = {} if declared is None else {b"content-length": declared}
    size = len(b"".join(parts))
    if size > LARGEST or (declared is not None and declared.isdigit() and int(declared) > LARGEST):
        with pytest.raises(Problem, match="too large"):
            await a_request(headers, receive).body(LARGEST)
    else:
        assert await a_request(headers, receive).body(LARGEST) == b"".join(parts)


@given(
    header=st.binary()
    | st.binary().map(lambda rest: b"Basic " + rest)
    | st.binary().map(lambda rest: b"Bearer " + rest)
)
def test_any_authorization_is_a_key_or_none(header: bytes) -> None:
    key = write_key(header)
    assert key is None or key


@given(key=st.from_regex(r"[!-9;-~]{1,40}", fullmatch=True), password=st.text(max_size=10))
def test_a_key_is_found_in_either_scheme(key: str, password: str) -> None:
    basic = base64.b64encode(f"{key}:{password}".encode())
    assert write_key(b"Basic " + basic) == write_key(b"basic " + basic) == key.encode()
    assert write_key(b"Bearer " + key.encode()) == key.encode()


@given(peer=ADDRESSES, told=st.lists(ADDRESSES | st.text(st.characters(codec="latin-1")), max_size=4))
def test_without_a_trusted_proxy_the_client_is_who_is_connected(peer: str, told: list[str]) -> None:
    headers = {b"x-forwarded-for": ", ".join(told).encode("latin-1")}
    assert Proxies([]).client({"client": (peer, 1)}, headers) == peer
    other = Proxies([ip_network("10.0.0.0/8")])
    if not (ip_address(peer).version == 4 and peer.startswith("10.")):
        assert other.client({"client": (peer, 1)}, headers) == peer


@given(
    client=ADDRESSES,
    forged=st.lists(ADDRESSES | st.text(st.characters(codec="latin-1")), max_size=4),
    hops=st.integers(0, 3),
)
def test_behind_trusted_proxies_it_is_whom_the_first_of_them_saw(client: str, forged: list[str], hops: int) -> None:
    inside = [f"10.0.0.{hop}" for hop in range(hops)]
    headers = {b"x-forwarded-for": ", ".join([*forged, client, *inside]).encode("latin-1")}
    found = Proxies([ip_network("10.0.0.0/8")]).client({"client": ("10.9.9.9", 1)}, headers)
    parsed = ip_address(client)
    plain = str(getattr(parsed, "ipv4_mapped", None) or parsed)
    assert found == plain or plain.startswith("10.")


@given(address=st.ip_addresses(), port=st.integers(0, 65535))
def test_however_a_proxy_writes_an_address_it_is_the_same(address: IPv4Address | IPv6Address, port: int) -> None:
    within = f"[{address}]" if address.version == 6 else str(address)
    proxies = Proxies([ip_network("127.0.0.1/32")])
    spellings = [str(address), f"{within}:{port}", within, f'"{within}:{port}"', f" {address} "]
    found = {
        proxies.client({"client": ("127.0.0.1", 1)}, {b"x-forwarded-for": f"8.8.8.8, {each}".encode()})
        for each in spellings
    }
    assert len(found) == 1 or str(address) == "127.0.0.1"


def test_an_ipv6_line_is_one_sender_and_a_private_network_none() -> None:
    assert sender("2a00:1450:4001:82a::1") == sender("2a00:1450:4001:82a:ffff::9") == "2a00:1450:4001:82a::/64"
    assert sender("2a00:1450:4001:82b::1") != sender("2a00:1450:4001:82a::1")
    assert sender("::ffff:93.184.216.34") == sender("93.184.216.34") == "93.184.216.34"
    assert {sender(each) for each in ("10.1.2.3", "::1", "fd00::1", "unknown", "")} == {None}


@given(given_=st.binary())
def test_any_idempotency_key_names_the_event_or_is_refused(given_: bytes) -> None:
    fact: Fact = read_lead({"email": "a@example.com", "message_id": "m"})
    request = a_request({b"idempotency-key": given_}, _nothing)
    named, status = outcome(lambda: request.named(fact))
    if named is None:
        assert status == 400
    else:
        assert named.sender_id
        assert len(named.sender_id) <= 256


@given(
    given_=st.none()
    | st.binary(max_size=60)
    | st.from_regex(rb"[0-9a-fA-F]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True)
)
def test_any_traceparent_is_kept_when_well_formed_and_else_replaced(given_: bytes | None) -> None:
    trace = _given(given_)
    assert trace is None or trace.encode() == given_
    for each in (trace, _trace_of(new_id())):
        version, trace_id, span, flags = (each or _trace_of(new_id())).split("-")
        assert (version, len(trace_id), len(span), len(flags)) == ("00", 32, 16, 2)
        assert int(trace_id, 16)
        assert int(span, 16)


@CALM
@given(
    kind=st.sampled_from(sorted(SENDERS)),
    headers=st.dictionaries(st.sampled_from(SIGNED_IN), SIGNATURES, max_size=6),
    body=st.binary(max_size=100),
)
def test_no_header_of_any_sender_opens_without_its_secret(kind: str, headers: dict[str, str], body: bytes) -> None:
    options = {"signature": Signature("x-key")} if kind == "generic" else {}
    incoming = Incoming(headers, body, "https://hooks.example.com/hooks/x", NOW)
    for secrets in ([], ["right-secret", "next-secret"]):
        with pytest.raises(Unverified):
            SENDERS[kind].verify(incoming, secrets, options)


async def _nothing() -> Any:
    raise AssertionError("nothing is read")
