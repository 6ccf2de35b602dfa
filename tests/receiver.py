"""A webhook receiver in a thread of its own: it remembers every request, and fails on cue."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from standardwebhooks import Webhook


@dataclass(frozen=True)
class Received:
    """One request as it came in. `at` is the monotonic clock, in seconds."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """The payload. Raises when the signature is not what the `standardwebhooks` package computes."""
        Webhook(secret).verify(self.body.decode(), self.headers)
        payload: dict[str, Any] = msgspec.json.decode(self.body)
        return payload


Answer = Callable[[Received], bytes]


def status(code: int, **headers: str) -> bytes:
    """A plain answer with this status."""
    lines = [f"HTTP/1.1 {code} X", "content-length: 0", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass
class Receiver:
    """What came in, and what is answered (204 unless `answer` says otherwise)."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answer: Answer = field(default=lambda _received: status(204))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ids(self, path: str = "/") -> Counter[str]:
        """How often each webhook-id came in, on paths that begin so."""
        return Counter(r.webhook_id for r in list(self.received) if r.path.startswith(path))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                received = Received(request.split(" ")[1], headers, body, time.monotonic())
                self.received.append(received)
                writer.write(self.answer(received))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver on a free port (or the one given), until the block ends."""
    receiver = Receiver()
    loop = asyncio.new_event_loop()
    started = threading.Event()
    done = asyncio.Event()

    async def main() -> None:
        server = await asyncio.start_server(receiver._serve, "127.0.0.1", port, backlog=1024)
        receiver.port = server.sockets[0].getsockname()[1]
        started.set()
        await done.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(5)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(5)
        loop.close()
