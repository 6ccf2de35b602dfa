"""Servers of tests' own: on a free port of this machine, in this event loop or in a thread of their own."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
"""Talks with one who has connected, until either hangs up."""


@asynccontextmanager
async def listening(serve: Serve, *, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[int]:
    """The port on which `serve` answers: this one, or any that is free."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda _: writer.close())  # also of one that is cancelled before it began

    server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)  # who connected at the last moment is accepted in this round
        while tasks:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # a closed transport lets go of its socket in the next round of the loop


@contextmanager
def apart(server: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """The server in a thread of its own, answering whatever this thread does, until the block ends."""
    started: list[T] = []
    ready, loop, done = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def main() -> None:
        async with server() as running:
            started.append(running)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()
