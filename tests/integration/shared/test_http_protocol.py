"""An answer leaves in one piece, and nothing of any answer stays behind."""

import asyncio
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from shared.http.open_connections import OpenConnections
from shared.http.protocol import WHOLE, OneWrite
from shared.runtime.service import Service, serving
from tests.support.waiting import until


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["path"] == "/late":
        await receive()
    length = [] if scope["path"] == "/chunked" else [(b"content-length", b"2")]
    status = 204 if scope["path"] == "/none" else 200
    await send({"type": "http.response.start", "status": status, "headers": length if status == 200 else []})
    if status == 200:
        first = b"W" if scope["path"] == "/whole" and WHOLE in scope else b"o"
        await send({"type": "http.response.body", "body": first, "more_body": True})
        await send({"type": "http.response.body", "body": b"k"})
    else:
        await send({"type": "http.response.body"})


@pytest.fixture(params=[asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Served by a loop of its own: of uvloop as in production, and of asyncio as in tests."""
    found: queue.Queue[int] = queue.Queue()
    stopping = asyncio.Event()

    async def serve() -> None:
        async with serving(Service(app), host="127.0.0.1", port=0) as port:
            found.put(port)
            await stopping.wait()

    with asyncio.Runner(loop_factory=request.param) as runner, ThreadPoolExecutor(1) as thread:
        loop = runner.get_loop()
        served = thread.submit(runner.run, serve())
        yield found.get(timeout=10)
        loop.call_soon_threadsafe(stopping.set)
        served.result(timeout=10)


async def answer(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


def request(method: str, path: str, more: str = "Connection: close") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("method", "path", "ends_in"),
    [
        ("GET", "/", b"content-length: 2\r\nconnection: close\r\n\r\nok"),
        ("GET", "/chunked", b"\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"),
        ("GET", "/none", b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"),
        ("HEAD", "/", b"content-length: 2\r\nconnection: close\r\n\r\n"),
    ],
)
async def test_an_answer_is_whole(port: int, method: str, path: str, ends_in: bytes) -> None:
    assert (await answer(port, request(method, path))).endswith(ends_in)


async def test_answers_on_one_connection_follow_each_other(port: int) -> None:
    both = await answer(port, request("HEAD", "/", "X: y") + request("GET", "/none", "X: y") + request("GET", "/"))
    assert both.count(b"HTTP/1.1 ") == 3
    assert both.endswith(b"\r\n\r\nok")


async def test_who_waits_to_be_told_to_go_on_is_told(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("POST", "/late", "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close"))
    async with asyncio.timeout(10):
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        writer.write(b"hi")
        assert (await reader.read()).endswith(b"\r\n\r\nok")
    writer.close()


async def test_what_is_no_http_is_answered(port: int) -> None:
    assert (await answer(port, b"what?\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


LONG = 32_768


@pytest.mark.parametrize(
    "too_long",
    [
        request("GET", "/", f"X: {'y' * LONG}\r\nConnection: close"),
        request("GET", f"/{'y' * LONG}"),
        request("GET", "/", "\r\n".join(f"X-{nth}: y" for nth in range(4000))),
        f"GET / HTTP/1.1\r\nX: {'y' * LONG}".encode()[: LONG + 1],  # and nothing more comes
        f"GET /{'y' * LONG}".encode()[: LONG + 1],
    ],
    ids=["header", "address", "headers", "unfinished header", "unfinished address"],
)
async def test_headers_without_end_are_refused(port: int, too_long: bytes) -> None:
    found = await answer(port, too_long)
    assert found.startswith(b"HTTP/1.1 431 ")
    assert b"\r\nconnection: close\r\n" in found
    assert found.count(b"HTTP/1.1 ") == 1


async def test_headers_may_be_long_and_bodies_longer(port: int) -> None:
    head = f"X: {'y' * (LONG - 200)}\r\nContent-Length: {4 * LONG}"
    long = request("POST", "/late", head) + b"b" * 4 * LONG
    found = await answer(port, long + long + request("GET", "/"))
    assert found.count(b"HTTP/1.1 200 ") == 3


class Counted(asyncio.Transport):
    """A transport that counts what goes through it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("path", "pieces"), [("/", [b"o", b"k"]), ("/none", [b""])])
async def test_the_head_goes_with_the_first_of_the_body(path: str, pieces: list[bytes]) -> None:
    transport, protocol = Counted(), protocol_alone()
    protocol.connection_made(transport)
    protocol.data_received(request("GET", path, "X: y"))
    await until(lambda: protocol.cycle.response_complete)
    head, *rest = transport.written
    assert head.startswith(b"HTTP/1.1 2")
    assert head.endswith(b"\r\n\r\n" + pieces[0])
    assert rest == pieces[1:]
    protocol.connection_lost(None)


def protocol_alone() -> OneWrite:
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)
    config.load()
    return OneWrite(OpenConnections(10), config=config, server_state=ServerState(), app_state={})


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET / HTTP/1.1\r\nX: ",
        request("GET", "/") + b"GET / HTTP/1.1\r\nX: ",
        request("POST", "/late", "Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\nX: ",
        request("POST", "/late", "Transfer-Encoding: chunked") + b"1;",
    ],
    ids=["header", "header of the next", "trailer", "extension"],
)
async def test_little_is_read_of_what_has_no_end(beginning: bytes) -> None:
    transport, protocol = Counted(), protocol_alone()
    protocol.connection_made(transport)
    protocol.data_received(beginning)
    read = 0
    while not any(each.startswith(b"HTTP/1.1 431 ") for each in transport.written):
        assert read <= LONG
        protocol.data_received(b"y" * 1000)
        read += 1000
    protocol.connection_lost(None)


async def test_a_head_that_begins_behind_another_request_is_measured_whole() -> None:
    transport, protocol = Counted(), protocol_alone()
    protocol.connection_made(transport)
    long = request("GET", "/", f"X: {'y' * LONG}")
    protocol.data_received(request("GET", "/", "X: y") + long[: LONG // 2])
    protocol.data_received(long[LONG // 2 :])
    assert any(each.startswith(b"HTTP/1.1 431 ") for each in transport.written)
    protocol.connection_lost(None)


async def test_the_app_is_told_that_all_of_a_request_is_here(port: int) -> None:
    head = b"POST /whole HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"
    assert (await answer(port, head + b"hi")).endswith(b"Wk")
    assert (await answer(port, head + b"h")).endswith(b"ok"), "the rest is still to come"
