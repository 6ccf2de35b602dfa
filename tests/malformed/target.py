"""One real ingest process to send bad requests to, its log, and what it put on the topics."""

import asyncio
import http.client
import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from aiokafka import AIOKafkaConsumer

from shared.kafka.topics import Topics, create_topics
from shared.secrets import ensure_state_secrets

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
SOURCES = """
sources:
  website: {kind: form, keys: [env:MALFORMED_WEBSITE_KEY], fields: {email: your-email}}
  fenced: {kind: form, origins: ["https://example.com"], redirect: "https://example.com/thanks"}
  shop: {kind: api, keys: [env:MALFORMED_SHOP_KEY]}
  app: {kind: segment, keys: [env:MALFORMED_APP_KEY], lane: bulk, trust: trusted}
"""
KEYS = ("WEBSITE", "SHOP", "APP", "PAGE")


@dataclass(frozen=True)
class Record:
    """One record of a topic, as its bytes."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def event(self) -> Any:
        return json.loads(self.value)


@dataclass(frozen=True)
class Answer:
    """What came back. `status` 0: the connection was closed without an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Arrivals:
    """Everything on the topics of events, read by a thread of its own while the tests go on."""

    def __init__(self, kafka: str, topics: Topics) -> None:
        self.records: list[Record] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._read(kafka, topics)), daemon=True)
        self._thread.start()

    async def _read(self, kafka: str, topics: Topics) -> None:
        consumer = AIOKafkaConsumer(
            topics.events, topics.events_bulk, bootstrap_servers=kafka, auto_offset_reset="earliest", group_id=None
        )
        await consumer.start()
        try:
            while not self._stop.is_set():
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    self.records += [Record(r.topic, r.key, r.value, tuple(r.headers)) for r in records]
        finally:
            await consumer.stop()

    def wait_for(self, enough: Callable[[list[Record]], bool], deadline_s: float = 20.0) -> list[Record]:
        """All records, as soon as they are enough; AssertionError when they never are."""
        end = time.monotonic() + deadline_s
        while not enough(found := list(self.records)):
            assert time.monotonic() < end, f"{len(found)} records came, and that is not enough"
            self._stop.wait(0.02)
        return found

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)


@dataclass
class Target:
    """A running ingest."""

    port: int
    keys: dict[str, str]
    arrivals: Arrivals
    log_file: Path
    _visitors: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def log(self, since: int = 0) -> str:
        """What it has logged, from that byte on."""
        with self.log_file.open("rb") as log:
            log.seek(since)
            return log.read().decode()

    def log_size(self) -> int:
        return self.log_file.stat().st_size

    def send(self, raw: bytes, *, half_close: bool = False) -> Answer:
        """Send these very bytes on a connection of their own and read one answer."""
        with socket.create_connection((HOST, self.port), timeout=5) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it was all sent
                connection.sendall(raw)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(connection, method=raw.partition(b" ")[0].decode("latin-1"))
            try:
                response.begin()
                body = response.read()
            except (http.client.RemoteDisconnected, ConnectionResetError):
                return Answer(0)
            finally:
                response.close()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)

    def hang_up_after(self, raw: bytes) -> None:
        """Send these bytes and reset the connection."""
        with socket.create_connection((HOST, self.port), timeout=5) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(raw)

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str | bytes] | None = None, key: str = ""
    ) -> Answer:
        """One request. Each comes from an address of its own, so that no limit of an address is reached."""
        number = next(self._visitors)
        given: dict[str, str | bytes] = {
            "Host": "ingest.example",
            "X-Forwarded-For": f"10.0.{number // 250}.{number % 250}",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        if key:
            given["Authorization"] = f"Bearer {self.keys[key]}"
        lines = [f"{method} {path} HTTP/1.1".encode()]
        for name, value in {**given, **(headers or {})}.items():
            lines.append(name.encode("latin-1") + b": " + (value if isinstance(value, bytes) else value.encode()))
        return self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    def post(self, path: str, content: Any, key: str = "", **headers: str) -> Answer:
        """POST JSON."""
        return self.request(
            "POST", path, json.dumps(content).encode(), {"Content-Type": "application/json"} | headers, key
        )

    def form(self, source: str, fields: dict[str, str], **headers: str) -> Answer:
        """POST a url-encoded form."""
        body = "&".join(f"{quote(name)}={quote(value)}" for name, value in fields.items())
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return self.request("POST", f"/f/{source}", body.encode(), kind | headers)

    def takes_a_good_lead(self) -> bool:
        return self.post("/v1/leads", {"email": "good@example.com"}, "WEBSITE").status == 202


@contextmanager
def running_target(
    kafka: str, prefix: str, folder: Path, sources: str = SOURCES, settings: Mapping[str, str] | None = None
) -> Iterator[Target]:
    """An ingest process on that Kafka, ready; killed at the end. What is in its state folder already, it finds."""
    config, state, log_file = folder / "config", folder / "state", folder / "ingest.log"
    config.mkdir()
    state.mkdir(exist_ok=True)
    (config / "sources.yaml").write_text(sources)
    keys = ensure_state_secrets(state, [f"MALFORMED_{name}_KEY" for name in KEYS])
    topics = Topics(prefix)
    asyncio.run(create_topics(kafka, topics, partitions=3, replication=1))
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "FIRSTHOUR_KAFKA": kafka,
        "FIRSTHOUR_TOPIC_PREFIX": prefix,
        "FIRSTHOUR_CONFIG": str(config),
        "FIRSTHOUR_STATE": str(state),
        "FIRSTHOUR_INGEST_PORT": str(port),
        "FIRSTHOUR_INGEST_TRUSTED_PROXIES": '["127.0.0.0/8"]',
        "FIRSTHOUR_LOG_LEVEL": "debug",  # the most it can say
        **(settings or {}),
    }
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", "ingest"],
            cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    arrivals = None
    try:
        _wait_ready(port, process, log_file)
        arrivals = Arrivals(kafka, topics)
        yield Target(port, {name: keys[f"MALFORMED_{name}_KEY"] for name in KEYS}, arrivals, log_file)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, log_file.read_text()[-2000:]
    finally:
        process.kill()
        process.wait(10)
        if arrivals is not None:
            arrivals.close()


def _wait_ready(port: int, process: subprocess.Popen[bytes], log_file: Path, deadline_s: float = 40.0) -> None:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        assert process.poll() is None, log_file.read_text()[-2000:]
        with suppress(httpx.HTTPError):
            if httpx.get(f"http://{HOST}:{port}/readyz").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"not ready:\n{log_file.read_text()[-2000:]}")
