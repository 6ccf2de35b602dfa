"""The webhook receiver in a thread of its own, for tests that block while they start and kill processes."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from standardwebhooks import Webhook

from tests.support.webhook_receiver import Received, Receiver, receiving


def verified(received: Received, secret: str) -> dict[str, Any]:
    """The payload. Raises when the signature is not what the `standardwebhooks` package computes."""
    Webhook(secret).verify(received.body.decode(), received.headers)
    payload: dict[str, Any] = msgspec.json.decode(received.body)
    return payload


def ids(receiver: Receiver, path: str) -> Counter[str]:
    """How often each webhook-id came in on this path."""
    return Counter(r.headers["webhook-id"] for r in list(receiver.received) if r.path == path)


@contextmanager
def receiving_apart() -> Iterator[Receiver]:
    """A receiver on a free port, answering whatever this thread does, until the block ends."""
    started: list[Receiver] = []
    ready, loop, done = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def main() -> None:
        async with receiving() as receiver:
            started.append(receiver)
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
