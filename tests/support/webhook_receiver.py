"""A webhook receiver that can fail on cue: a small asyncio server, so that it can also answer half, or nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

from tests.support.servers import listening


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass(frozen=True)
class Behave:
    """How to answer one request: after `delay` seconds, and `when` that is set, with `raw` bytes; then cut the connection if `cut`."""

    raw: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    delay: float = 0.0
    when: asyncio.Event | None = None
    cut: bool = False


OK = Behave()
RESET = Behave(raw=b"", cut=True)
HALF = Behave(raw=b"HTTP/1.1 200 O", cut=True)
HALF_BODY = Behave(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", cut=True)


def status(code: int, *headers: str, body: bytes = b"", delay: float = 0.0) -> Behave:
    """An answer with this status and extra header lines."""
    lines = [f"HTTP/1.1 {code} X", f"content-length: {len(body)}", *headers]
    return Behave(raw="\r\n".join([*lines, "", ""]).encode() + body, delay=delay)


@dataclass
class Receiver:
    """What arrived, and what to answer: `behave` decides by request, else everything is answered 200."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    behave: Callable[[Received], Behave] = lambda _request: OK
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answers(self, behaviours: Iterable[Behave]) -> None:
        """Answer the next requests so, one after the other, then always 200."""
        script = iter(behaviours)
        self.behave = lambda _request: next(script, OK)

    async def wait_for(self, count: int, within: float = 15.0, path: str | None = None) -> list[Received]:
        """The requests (of one path), once there are `count`."""
        async with asyncio.timeout(within):
            while len(found := [r for r in self.received if path in (None, r.path)]) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError), closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                request = Received(head[0].split(" ")[1], headers, body, asyncio.get_running_loop().time())
                answer = self.behave(request)
                self.received.append(request)
                self._arrived.set()
                if answer.delay:
                    await asyncio.sleep(answer.delay)
                if answer.when:
                    await answer.when.wait()
                writer.write(answer.raw)
                await writer.drain()
                if answer.cut:
                    break


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()
    async with listening(receiver.serve) as receiver.port:
        yield receiver
