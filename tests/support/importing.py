"""`firsthour import` as a person runs it, and what is on its topic afterwards."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.events.envelope import Decoded, decode
from shared.kafka.topics import Topics, create_topics
from tests.support.servers import listening
from tests.support.topics import records_on

ROOT = Path(__file__).parents[2]
PARTITIONS = 3


@dataclass
class Place:
    """Where an import goes to."""

    kafka: str
    prefix: str
    folder: Path

    async def make_topics(self) -> None:
        await create_topics(self.kafka, Topics(self.prefix), partitions=PARTITIONS, replication=1)

    @property
    def port(self) -> int:
        return int(self.kafka.rpartition(":")[2])

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONWARNINGS": "error::ResourceWarning",
            "FIRSTHOUR_KAFKA": self.kafka,
            "FIRSTHOUR_TOPIC_PREFIX": self.prefix,
            "FIRSTHOUR_STATE": str(self.state),
            "COLUMNS": "200",
        }

    def run(self, file: Path, *options: str, say: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.cli.main", "import", str(file), *options],
            cwd=ROOT, env=self.environment(), input=say, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def start(self, file: Path, *options: str) -> subprocess.Popen[bytes]:
        """One that runs while the test does something else, as a group of its own, as in a terminal."""
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", "import", str(file), "--yes", *options],
            cwd=ROOT, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def imported(self, file: Path, *options: str, code: int = 0) -> dict[str, Any]:
        done = self.run(file, "--yes", "--json", *options)
        assert done.returncode == code, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    async def events(self) -> list[tuple[bytes, Decoded]]:
        """Everything on the bulk lane now."""
        found = await records_on(self.kafka, Topics(self.prefix).events_bulk)
        return [(record.key, decode(record.value)) for record in found]


@asynccontextmanager
async def a_door(port: int, behind: str) -> AsyncIterator[None]:
    """While it is open, who comes to this port talks with the server behind: a Kafka that is away, and comes back."""
    host, _, other = behind.rpartition(":")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, int(other))
        await asyncio.gather(_carry(reader, there_writer), _carry(there_reader, writer))

    async with listening(pass_on, port=port):
        yield


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError), closing(writer):
        while read := await reader.read(65_536):
            writer.write(read)
            await writer.drain()


async def says(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Return once it has said so."""
    assert process.stdout is not None
    async with asyncio.timeout(90):
        while words not in (line := await asyncio.to_thread(process.stdout.readline)):
            assert line, f"it ended without having said {words!r}"
