"""The limit of ingest: an ASGI app that does nothing but one acknowledged send per POST.

To `/` it sends the body; to `/as-ingest` a message such as ingest makes of it: larger, with a key and a header.


FIRSTHOUR_KAFKA=… FIRSTHOUR_TOPIC=… python -m benchmarks.bare_asgi --port 8000 [--workers 2] [--server granian]
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from aiokafka import AIOKafkaProducer

_EVENT_BYTES = 840
_HEADERS = [("content-type", b"application/cloudevents+json")]


class Bare:
    """ASGI with a lifespan: the producer belongs to the loop that serves."""

    def __init__(self) -> None:
        self.producer: AIOKafkaProducer | None = None
        self.sent = 0
        self.topic = os.environ["FIRSTHOUR_TOPIC"]

    async def start(self) -> None:
        self.producer = AIOKafkaProducer(bootstrap_servers=os.environ["FIRSTHOUR_KAFKA"], acks="all", linger_ms=0)
        await self.producer.start()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        assert self.producer is not None
        body = (await receive())["body"]
        if scope["path"] == "/as-ingest":  # as large as an event becomes, by the person, with its header
            self.sent += 1
            key = b"%032x" % (self.sent * 0x9E3779B97F4A7C15)
            await self.producer.send_and_wait(self.topic, body.ljust(_EVENT_BYTES), key=key, headers=_HEADERS)
        else:
            await self.producer.send_and_wait(self.topic, body)
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                assert self.producer is not None
                await self.producer.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def serve(listener: socket.socket) -> None:
    """One process on uvicorn, until killed."""
    config = uvicorn.Config(
        Bare(), loop="uvloop", http="httptools", lifespan="on", access_log=False, log_level="warning"
    )  # fmt: skip
    await uvicorn.Server(config).serve([listener])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--server", choices=["uvicorn", "granian"], default="uvicorn")
    options = parser.parse_args()
    if options.server == "granian":
        return on_granian("benchmarks.bare_asgi:app", options.port, options.workers)
    if options.workers > 1:
        command = [sys.executable, "-m", "benchmarks.bare_asgi", "--port", str(options.port)]
        workers = [subprocess.Popen(command) for _ in range(options.workers)]

        def stop(*_: object) -> None:
            for worker in workers:
                worker.terminate()

        signal.signal(signal.SIGTERM, stop)
        return max(worker.wait() for worker in workers)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", options.port))
    uvloop.run(serve(listener))
    return 0


def on_granian(app: str, port: int, workers: int) -> int:
    """Any ASGI app with a lifespan, on granian as its own documentation has it."""
    command = [
        str(Path(sys.executable).with_name("granian")), "--interface", "asgi", "--port", str(port),
        "--workers", str(workers), "--loop", "uvloop", "--no-ws", "--log-level", "warning", "--backlog", "2048", app,
    ]  # fmt: skip
    os.execv(command[0], command)


def __getattr__(name: str) -> Any:
    if name == "app":  # made when a server asks for it
        return Bare()
    raise AttributeError(name)


if __name__ == "__main__":
    sys.exit(main())
