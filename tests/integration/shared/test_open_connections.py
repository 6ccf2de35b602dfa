"""Whoever holds all connections keeps nobody out."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.runtime.service import Service, serving

MOST = 20
ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SAID = b"HTTP/1.1 204 No Content\r\n\r\n"


class Door:
    """Answers at once; under /later when the bell rings."""

    def __init__(self) -> None:
        self.bell = asyncio.Event()
        self.waiting = 0

    async def __call__(self, scope: dict[str, Any], _receive: Any, send: Any) -> None:
        if scope["path"] == "/later":
            self.waiting += 1
            await self.bell.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Visitors:
    """Connections to a server that keeps twenty, from addresses of this machine."""

    def __init__(self, port: int, door: Door, stack: contextlib.ExitStack) -> None:
        self.door = door
        self._port = port
        self._stack = stack

    async def come(self, address: str, saying: bytes = b"") -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(address, 0))
        self._stack.callback(writer.close)
        writer.write(saying)
        return reader, writer

    async def is_answered(self, connection: Connection, saying: bytes = ASK) -> bool:
        reader, writer = connection
        writer.write(saying)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                return await reader.readexactly(len(SAID)) == SAID
        return False


@pytest.fixture
async def visitors() -> AsyncIterator[Visitors]:
    door = Door()
    with contextlib.ExitStack() as stack:
        async with serving(Service(door), host="127.0.0.1", port=0, most_connections=MOST) as port:
            yield Visitors(port, door, stack)
            door.bell.set()


@pytest.mark.parametrize(
    "saying", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nha", ASK]
)
async def test_a_crowd_that_waits_for_nothing_keeps_nobody_out(visitors: Visitors, saying: bytes) -> None:
    quiet = await visitors.come("127.0.0.1")
    assert await visitors.is_answered(quiet)
    for _ in range(3 * MOST):
        await visitors.come("127.0.0.2", saying)
    assert await visitors.is_answered(await visitors.come("127.0.0.3"))
    assert await visitors.is_answered(quiet), "who holds one connection keeps it"


async def test_who_is_being_answered_is_not_hung_up_on(visitors: Visitors) -> None:
    later = [await visitors.come("127.0.0.2", ASK.replace(b"/", b"/later", 1)) for _ in range(MOST)]
    async with asyncio.timeout(10):
        while visitors.door.waiting < MOST:
            await asyncio.sleep(0)
    assert not await visitors.is_answered(await visitors.come("127.0.0.3")), "there was no room to be made"
    visitors.door.bell.set()
    for each in later:
        assert await visitors.is_answered(each, saying=b"")
    assert await visitors.is_answered(await visitors.come("127.0.0.3"))


async def test_who_has_left_is_not_counted(visitors: Visitors) -> None:
    quiet = await visitors.come("127.0.0.1")
    for _ in range(2 * MOST):
        reader, writer = await visitors.come("127.0.0.1", ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await reader.read()
        writer.close()
    assert await visitors.is_answered(quiet)


@pytest.mark.parametrize(("soft", "hard", "then"), [(256, 1000, 1000), (256, 256, 256), (300, 200_000, 65_536)])
def test_a_process_may_open_all_the_files_that_its_account_may(soft: int, hard: int, then: int) -> None:
    code = (
        f"import resource as r; hard = min({hard}, r.getrlimit(r.RLIMIT_NOFILE)[1]);"
        f"r.setrlimit(r.RLIMIT_NOFILE, ({soft}, hard));"
        "from shared.runtime.open_files import raise_limit;"
        "print(raise_limit(), r.getrlimit(r.RLIMIT_NOFILE)[0], hard)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    allowed, now, most = map(int, said.split())
    assert allowed == now == min(then, most)
