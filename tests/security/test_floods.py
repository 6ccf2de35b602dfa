"""Whoever holds connections open, sends slowly, or sends much, keeps nobody else out."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.malformed.target import HOST, Target, running_target
from tests.security.conftest import SIGNING_SECRET, SOURCES
from tests.support.stack import Stack, fresh_prefix

LARGEST = 512_000


@pytest.fixture(scope="module")
def narrow(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """An ingest with room for two large batches, that is told of no proxy."""
    settings = {
        "SHOPIFY_SIGNING_SECRET": SIGNING_SECRET,
        "FIRSTHOUR_INGEST_MAX_BYTES_IN_FLIGHT": str(2 * LARGEST),
        "FIRSTHOUR_INGEST_MAX_IN_FLIGHT": "150",
    }
    folder = tmp_path_factory.mktemp("floods")
    with fresh_prefix(stack) as prefix, running_target(stack.kafka, prefix, folder, SOURCES, settings) as target:
        yield target


def begun(path: str, headers: str = "", address: str = "10.9.9.9") -> bytes:
    """The head of a request that promises the largest body."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGEST}\r\nX-Forwarded-For: {address}\r\n{headers}\r\n"
    ).encode()


@contextmanager
def held_open(target: Target, raw: bytes, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as open_:
        connections = []
        for _ in range(count):
            connections.append(open_.enter_context(socket.create_connection((HOST, target.port), timeout=10)))
            connections[-1].sendall(raw)
        yield connections


def a_large_batch(target: Target) -> float:
    """Seconds until a large batch of our own is taken; of what is refused for now, until it is not."""
    message = {"type": "track", "event": "Report Read", "userId": "u-1", "properties": {"text": "x" * 30_000}}
    began = time.monotonic()
    while target.post("/v1/batch", {"batch": [message] * 10}, "APP").status != 200:
        assert time.monotonic() - began < 20
    return time.monotonic() - began


@pytest.mark.parametrize(
    "raw",
    [
        begun("/v1/batch"),
        begun("/v1/batch") + b'{"batch":[' + b" " * (LARGEST - 100),
        begun("/v1/track") + b"{",
        begun("/hooks/store", "X-Shopify-Hmac-Sha256: x\r\n") + b" " * 400_000,
        begun("/f/website", "Content-Type: application/x-www-form-urlencoded\r\n"),
    ],
    ids=["nothing is sent", "nearly all is sent", "one byte is sent", "a webhook that never ends", "a form"],
)
def test_a_hundred_bodies_that_never_end_keep_nobody_out(narrow: Target, raw: bytes) -> None:
    with held_open(narrow, raw, 100):
        began = time.monotonic()
        while not narrow.takes_a_good_lead():
            assert time.monotonic() - began < 10
        assert a_large_batch(narrow) < 10
    assert narrow.takes_a_good_lead()


def test_two_hundred_requests_that_say_nothing_are_not_all_that_is_at_work(narrow: Target) -> None:
    with held_open(narrow, begun("/v1/batch"), 200):
        time.sleep(1.2)
        assert narrow.takes_a_good_lead()


def test_a_wrong_key_is_refused_before_its_body_is_read(narrow: Target) -> None:
    for path, headers in (
        ("/v1/batch", "Authorization: Bearer wrong\r\n"),
        ("/v1/track", "Authorization: Basic d3Jvbmc6\r\n"),
        ("/v1/events", "Authorization: Bearer wrong\r\n"),
        ("/hooks/store", ""),
    ):
        with held_open(narrow, begun(path, headers), 1) as (connection,):
            assert connection.recv(12) == b"HTTP/1.1 401", path
    with held_open(narrow, begun("/hooks/nothing"), 1) as (connection,):
        assert connection.recv(12) == b"HTTP/1.1 404"


def test_leads_are_counted_and_not_requests(target: Target) -> None:
    """One page-key batch of 32 KB sent 150 mails in three seconds."""
    lead = {"type": "track", "event": "Signed Up", "anonymousId": "d"}
    batch = [{**lead, "properties": {"email": f"listed-{number}@example.com"}} for number in range(150)]
    from_one = {"X-Forwarded-For": "93.184.216.50"}
    for path in ("/v1/batch", "/v1/import"):
        for key in ("PAGE", "WEBSITE"):
            answer = target.post(path, {"batch": batch}, key, **from_one)
            assert answer.status == 429, "not one of them is taken"
            assert answer.headers["retry-after"]
    assert target.post("/v1/batch", {"batch": batch[:15]}, "PAGE", **from_one).status == 200
    assert target.post("/v1/leads", {"email": "a@example.com"}, "PAGE", **from_one).status == 202
    assert target.post("/v1/batch", {"batch": batch[:10]}, "PAGE", **from_one).status == 429, "each way in counts"
    assert target.post("/v1/track", batch[0], "PAGE", **{"X-Forwarded-For": "93.184.216.51"}).status == 200
    assert target.post("/v1/batch", {"batch": batch}, "APP", **from_one).status == 200, (
        "a server's are as many as it has"
    )
    forms = [target.form("website", {"email": "a@example.com"}, **from_one).status for _ in range(21)]
    assert forms == [202] * 20 + [429]


def test_an_ipv6_line_is_one_address_and_a_port_no_other_one(target: Target) -> None:
    def forms(addresses: list[str]) -> list[int]:
        post = [target.form("website", {"email": "a@example.com"}, **{"X-Forwarded-For": each}) for each in addresses]
        return [answer.status for answer in post]

    assert forms([f"2a00:1450:4001:82a::{number:x}" for number in range(1, 22)])[-1] == 429
    assert forms(["[2a00:1450:4001:82a::99]:443", '"[2a00:1450:4001:82a::98]"']) == [429, 429]
    assert forms(["2a00:1450:4001:82b::1"]) == [202]
    assert forms([f"93.184.216.60:{port}" for port in range(1000, 1021)])[-1] == 429


@pytest.mark.parametrize("path", ["/v1/projects/guess/settings", "/hooks/lead-ads", "/hooks/told"])
def test_guessing_a_secret_ends(stack: Stack, tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    sources = """
sources:
  website: {kind: form, keys: [env:MALFORMED_WEBSITE_KEY]}
  lead-ads: {kind: google, secrets: [env:GOOGLE_SECRET]}
  told:
    kind: generic
    secrets: [env:TOLD_SECRET]
    signature: {scheme: token, header: X-Token}
    events: [{type: lead.captured, fields: {email: /email}}]
"""
    settings = {"GOOGLE_SECRET": "right-one", "TOLD_SECRET": "right-one"}
    folder = tmp_path_factory.mktemp("guessing")
    with fresh_prefix(stack) as prefix, running_target(stack.kafka, prefix, folder, sources, settings) as target:
        guesser = {"X-Forwarded-For": "93.184.216.70", "Content-Type": "application/json"}
        statuses = []
        for number in range(25):
            method = "GET" if path.startswith("/v1") else "POST"
            body = json.dumps({"google_key": f"guess-{number}", "user_column_data": []}).encode()
            headers = {**guesser, "X-Token": f"guess-{number}"}
            statuses.append(target.request(method, path, b"" if method == "GET" else body, headers).status)
        assert statuses[0] in (401, 404)
        assert statuses[-1] == 429
        assert target.takes_a_good_lead(), "others are not kept out"


def test_requests_that_are_none_do_not_fill_the_log(target: Target) -> None:
    """Twenty bytes of nonsense made a line of two hundred."""
    bad_part = b"--x\r\nContent-Disp\x01: form-data\r\n\r\nv\r\n--x--\r\n"
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    since = target.log_size()
    for number in range(10):
        assert target.send(b"NONSENSE %d\r\n\r\n" % number).status == 400
        assert target.send(upgrade).status in (400, 404)
        kind = {"Content-Type": "multipart/form-data; boundary=x", "Accept": "application/json"}
        assert target.request("POST", "/f/website", bad_part, kind).status == 422
    lines = [
        line for line in target.log(since).splitlines() if '"refused"' not in line
    ]  # those are counted, in one line
    assert len(lines) < 10, lines
