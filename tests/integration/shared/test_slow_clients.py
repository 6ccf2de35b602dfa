"""Clients that send drop by drop, or do not read, are hung up on; nobody else notices."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from shared.runtime.service import Service, serving

PATIENCE_S = 1.0


async def echo(_scope: dict[str, Any], receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving(Service(echo), host="127.0.0.1", port=0, patience_s=PATIENCE_S) as port:
        yield port


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """What the server says until it hangs up; a drop that crosses its answer on the way makes that a reset."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := await reader.read(65_536):
            said += piece
    return said


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"POST / HTTP/1.1\r\n", b"X: y\r\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"z"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nz\r\n"),
    ],
)
async def test_a_request_that_never_ends_is_answered_408(port: int, start: bytes, drop: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = asyncio.ensure_future(all_of(reader))
    writer.write(start)
    for letter in drop * 1000:
        if answer.done():
            break
        writer.write(bytes([letter]))
        await asyncio.wait((answer,), timeout=0.05)
    async with asyncio.timeout(10):
        assert b"HTTP/1.1 408 Request Timeout" in await answer
    assert loop.time() - began >= PATIENCE_S
    writer.close()


ONE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def test_the_second_request_of_a_connection_has_to_come_whole_as_well(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ONE)
    assert await reader.readexactly(len(ANSWER)) == ANSWER
    writer.write(b"POST / HT")
    async with asyncio.timeout(10):
        assert b"HTTP/1.1 408 Request Timeout" in await all_of(reader)
    writer.close()


async def test_a_connection_that_is_only_idle_stays(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(ONE)
        assert await reader.readexactly(len(ANSWER)) == ANSWER
        with pytest.raises(TimeoutError):  # nobody hung up
            await asyncio.wait_for(reader.read(1), timeout=PATIENCE_S * 1.6)
    writer.close()


MUCH = b"y" * 8_000_000  # more than the kernel takes for a client that does not read


async def talk(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer everybody with much, in one piece or in many."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/whole":
        await send({"type": "http.response.body", "body": MUCH})
    else:
        for start in range(0, len(MUCH), 100_000):
            await send({"type": "http.response.body", "body": MUCH[start : start + 100_000], "more_body": True})
        await send({"type": "http.response.body"})


def held_open(port: int) -> int:
    """How many connections to that port this process has; those that only the kernel still has are no files."""
    mine = psutil.Process().net_connections("tcp")
    return sum(each.laddr.port == port and each.status != psutil.CONN_LISTEN for each in mine)


@pytest.mark.parametrize("path", [b"/whole", b"/in-pieces"])
@pytest.mark.parametrize("goodbye", [b"", b"Connection: close\r\n"])
async def test_who_does_not_read_the_answer_is_hung_up_on(path: bytes, goodbye: bytes) -> None:
    async with serving(Service(talk), host="127.0.0.1", port=0, patience_s=PATIENCE_S) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + goodbye + b"\r\n")
            async with asyncio.timeout(10):
                while not held_open(port):
                    await asyncio.sleep(0.01)
                while held_open(port):
                    await asyncio.sleep(0.01)


async def test_who_reads_slowly_gets_all_of_it() -> None:
    async with serving(Service(talk), host="127.0.0.1", port=0, patience_s=PATIENCE_S) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        writer.write(b"GET /in-pieces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        loop = asyncio.get_running_loop()
        began, got = loop.time(), 0
        while piece := await reader.read(65_536):
            got += piece.count(b"y")
            await asyncio.sleep(0.03)  # the pace of a poor connection
        assert loop.time() - began > 2 * PATIENCE_S, "it was not slow"
        assert got == len(MUCH)
        writer.close()
