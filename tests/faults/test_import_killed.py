"""kill -9 of an import, again and again: every good row is an event, every bad one is named once."""

import asyncio
import csv
import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from shared.events.envelope import decode
from shared.events.identity import derived_event_id
from shared.kafka.topics import Topics, create_topics
from tests.support.importing import says
from tests.support.stack import OwnStack
from tests.support.topics import records_on
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
ROWS = 20_000
KILLS = 7
BAD = range(7, ROWS, 501)
_ALONE_S = 60.0  # longer than an import takes that nobody kills


def sheet(folder: Path) -> Path:
    """A sheet of leads, some of which name nobody, and some of which have a cell of several lines."""
    path = folder / "leads.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "message_id", "message"])
        for n in range(ROWS):
            address = "nobody" if n in BAD else f"person{n}@example.com"
            writer.writerow([address, f"row-{n}", 'two\nlines, and a "quote"' if n % 10 == 0 else "x" * 40])
    return path


def start(file: Path, kafka: str, prefix: str, *options: str) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.environ["PATH"],
        "FIRSTHOUR_KAFKA": kafka,
        "FIRSTHOUR_TOPIC_PREFIX": prefix,
        "FIRSTHOUR_STATE": str(file.parent / "state"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli.main", "import", str(file), "--yes", *options],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


async def ids_on(kafka: str, topic: str) -> set[str]:
    return {str(decode(record.value).event.id) for record in await records_on(kafka, topic)}


def refused_rows(file: Path) -> list[str]:
    content = file.with_name("leads.csv.refused.csv").read_bytes().decode()
    return [row["message_id"] for row in csv.DictReader(io.StringIO(content, newline=""))]


EXPECTED = {str(derived_event_id("/sources/import", f"row-{n}")) for n in range(ROWS) if n not in BAD}


async def keeps_its_place(process: subprocess.Popen[bytes], state: Path, began: float) -> None:
    """Return once it has written how far it came since then, or has ended."""

    def written() -> bool:
        if process.poll() is not None:
            return True
        try:
            return any(path.stat().st_mtime > began for path in (state / "imports").glob("*.json"))
        except FileNotFoundError:  # it has come to its end between the two looks
            return False

    await until(written, 90)


async def killed_until_done(file: Path, kafka: str, prefix: str, longest_s: float, dice: random.Random) -> list[bytes]:
    """Import the file, with a kill within `longest_s` of each beginning, or of each other one's first progress."""
    outputs: list[bytes] = []
    while True:
        began = time.time()
        process = start(file, kafka, prefix, "--workers", str(dice.choice([0, 2])))
        await says(process, b"leads; csv")
        within_s = longest_s
        if len(outputs) % 2 and longest_s < _ALONE_S:
            await keeps_its_place(process, file.parent / "state", began)
            within_s = 0.2 * longest_s
        children: list[psutil.Process] = []
        try:
            said, _ = await asyncio.to_thread(process.communicate, timeout=dice.uniform(0, within_s))
        except subprocess.TimeoutExpired:
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            said, _ = process.communicate(timeout=60)
        outputs.append(said)
        await until(lambda: not any(child.is_running() for child in children))  # noqa: B023 - awaited before it changes
        if process.returncode >= 0:
            assert process.returncode == 1, said  # it came to its end, and has refused the bad rows
            return outputs


@pytest.mark.timeout(600)
async def test_whenever_it_is_killed_every_row_is_taken_or_refused_once(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    dice = random.Random(11)
    whole_s, killed, resumed, nth = 0.0, 0, 0, 0
    while killed < KILLS:
        prefix, folder = f"{topic_prefix}{nth}.", tmp_path / str(nth)
        folder.mkdir()
        await create_topics(kafka, Topics(prefix), partitions=3, replication=1)
        file, began = sheet(folder), time.monotonic()
        # The first import is left alone: it tells how long one takes here.
        outputs = await killed_until_done(file, kafka, prefix, 0.7 * whole_s or _ALONE_S, dice)
        whole_s = whole_s or time.monotonic() - began
        killed += len(outputs) - 1
        resumed += sum(b"Going on at line" in said for said in outputs)
        nth += 1
        assert await ids_on(kafka, Topics(prefix).events_bulk) == EXPECTED
        assert refused_rows(file) == [f"row-{n}" for n in BAD]
        assert [path.suffix for path in (folder / "state" / "imports").iterdir()] == [".lock"]
    assert resumed >= 2, "kills that leave nothing to go on from show little"


@pytest.mark.timeout(300)
async def test_while_kafka_is_away_it_waits_and_ctrl_c_loses_nothing(own_stack: OwnStack, tmp_path: Path) -> None:
    await create_topics(own_stack.kafka, Topics(""), partitions=3, replication=1)
    file = sheet(tmp_path)
    await asyncio.to_thread(own_stack.kill_kafka)
    process = start(file, own_stack.kafka, "")
    await says(process, b"waiting for Kafka")
    assert psutil.Process(process.pid).nice() == 19, "live leads go first on this machine too"
    process.send_signal(signal.SIGINT)
    said, _ = await asyncio.to_thread(process.communicate, timeout=90)
    assert process.returncode == 1
    assert b"The same command goes on from there" in said
    process = start(file, own_stack.kafka, "")
    await says(process, b"waiting for Kafka")
    await asyncio.to_thread(own_stack.start_kafka)
    said, _ = await asyncio.to_thread(process.communicate, timeout=120)
    assert process.returncode == 1, said
    assert await ids_on(own_stack.kafka, Topics("").events_bulk) == EXPECTED
    assert refused_rows(file) == [f"row-{n}" for n in BAD]
