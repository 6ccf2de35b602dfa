"""Posts one body over and over on many connections: `wrk` where it is installed, else a small client of our own."""

import asyncio
import re
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httptools

PERSON = "NOBODY"  # in a body: another one for each request, so that keys and partitions vary
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """What came of it: requests a second, milliseconds at p50 and p99, and answers that were not 2xx."""

    per_second: float
    p50_ms: float
    p99_ms: float
    not_2xx: int


def tool() -> str:
    """What makes the load here."""
    return "wrk" if shutil.which("wrk") else "own client (wrk is not installed)"


def post(url: str, body: bytes, headers: dict[str, str], *, connections: int, seconds: int) -> Load:
    """Post for so many seconds, closed loop: each connection sends the next request after the answer."""
    if shutil.which("wrk"):
        return _wrk(url, body, headers, connections=connections, seconds=seconds)
    return asyncio.run(_own(url, body, headers, connections=connections, seconds=seconds))


def _wrk(url: str, body: bytes, headers: dict[str, str], *, connections: int, seconds: int) -> Load:
    with TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        lines = ['wrk.method = "POST"', f"body = [==[{body.decode()}]==]", "n = 0"]
        lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
        lines += ["function request()", "  n = n + 1", f"  local mine = string.gsub(body, '{PERSON}', 'p' .. n)"]
        lines += ["  return wrk.format(nil, nil, nil, mine)", "end"]
        script.write_text("\n".join(lines))
        out = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", script, url],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    at = dict(re.findall(r"(50|99)%\s+([\d.]+(?:us|ms|s))", out))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    assert rate is not None, out
    return Load(float(rate[1]), _ms(at["50"]), _ms(at["99"]), int(refused[1]) if refused else 0)


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]  # wrk's own format
    return float(number) * _UNITS[unit]


class _Connection(asyncio.Protocol):
    def __init__(self, request: bytes, end: float, seconds: list[float], failed: list[int]) -> None:
        self.request, self.end, self.seconds, self.failed = request, end, seconds, failed
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)
        self._next()

    def _next(self) -> None:
        self.sent = time.monotonic()
        person = f"{len(self.seconds) % 1_000_000:06}".encode()  # as long as the word it stands for
        self.transport.write(self.request.replace(PERSON.encode(), person))

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.monotonic()
        self.seconds.append(now - self.sent)
        if self.parser.get_status_code() // 100 != 2:
            self.failed.append(self.parser.get_status_code())
        if now < self.end:
            self.parser = httptools.HttpResponseParser(self)
            self._next()
        else:
            self.transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def _own(url: str, body: bytes, headers: dict[str, str], *, connections: int, seconds: int) -> Load:
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    head = {"Host": host, "Content-Length": str(len(body)), **headers}
    request = f"POST /{path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n"
    took: list[float] = []
    failed: list[int] = []
    loop = asyncio.get_running_loop()
    start = time.monotonic()
    made = await asyncio.gather(
        *(
            loop.create_connection(
                lambda: _Connection(request.encode() + body, start + seconds, took, failed), name, int(port)
            )
            for _ in range(connections)
        )
    )
    await asyncio.gather(*(protocol.done for _, protocol in made))
    cuts = statistics.quantiles(took, n=100)
    rate = len(took) / (time.monotonic() - start)
    return Load(rate, cuts[49] * 1000, cuts[98] * 1000, len(failed))
