"""Clients that send drop by drop are hung up on; nobody else notices."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

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
