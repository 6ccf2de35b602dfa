"""A webhook receiver that only answers 200, as fast as Python can: it must not be what is measured.

python -m benchmarks.receiver 8099
"""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok"


class Receiver(asyncio.Protocol):
    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is of no such class
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (head := self.buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self.buffer, 0, head)
            end = head + 4 + (int(found[1]) if found else 0)
            if len(self.buffer) < end:
                return
            self.buffer = self.buffer[end:]
            Receiver.count += 1
            self.transport.write(_ANSWER)


@contextmanager
def a_receiver() -> Iterator[int]:
    """One in a process of its own, until the block ends: its port."""
    receiver = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.receiver"], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE
    )
    try:
        assert receiver.stdout is not None
        yield int(receiver.stdout.readline().split()[1])
    finally:
        receiver.terminate()
        receiver.wait(10)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
