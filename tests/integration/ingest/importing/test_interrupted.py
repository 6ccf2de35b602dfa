"""An import that was interrupted goes on where it stood, and nowhere else; a second one of the file waits for no luck."""

import asyncio
import csv
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from services.ingest.importing.progress import Progress, ProgressFile
from services.ingest.importing.reading import Piece, pieces
from services.ingest.importing.refusals import Refusals
from services.ingest.importing.run import Import, Tally
from services.ingest.importing.understanding import Understanding, Wishes, understand
from services.ingest.importing.work import Plan
from services.ingest.importing.workers import working
from shared.kafka.producer import Producer
from shared.kafka.topics import Topics
from tests.support.importing import Place, a_door, says
from tests.support.processes import free_ports
from tests.support.waiting import until

ROWS, BAD = 60, (3, 4, 31, 58)
NAMES = ("email", "note")


@pytest.fixture
async def place(kafka: str, topic_prefix: str, tmp_path: Path) -> Place:
    """Its Kafka is there when the door to it is open: `a_door(place.port, kafka)`."""
    await Place(kafka, topic_prefix, tmp_path).make_topics()
    (port,) = free_ports(1)
    return Place(f"127.0.0.1:{port}", topic_prefix, tmp_path)


def leads(place: Place) -> Path:
    """Some name nobody; the notes of some have two lines."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(NAMES)
    for n in range(ROWS):
        writer.writerow(["nobody" if n in BAD else f"p{n:02}@example.com", "two\nlines" if n % 5 == 0 else "one"])
    return place.file("leads.csv", text.getvalue())


async def stopped(place: Place, file: Path, *options: str) -> Progress:
    """Begun, and stopped by Ctrl-C in its terminal before anything was acknowledged; what it keeps of that."""
    process = place.start(file, *options)
    await says(process, b"waiting for Kafka")
    os.killpg(process.pid, signal.SIGINT)
    said, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 1, said
    assert b"The same command goes on from there" in said
    assert b"Traceback" not in said
    left = ProgressFile(place.state, file).read()
    assert left is not None
    return left


class Cut:
    """An import in this process that is stopped after some pieces, and what it kept at each look."""

    def __init__(self, place: Place, file: Path, found: Understanding, begun: Progress) -> None:
        self.place = place
        self.file = file
        self.found = found
        self.progress_file = ProgressFile(place.state, file)
        self.refused_file = file.with_name("leads.csv.refused.csv")
        self.tally = Tally(begun)
        self.kept: list[Progress | None] = []

    def show(self, tally: Tally) -> None:
        self.kept.append(self.progress_file.read())
        refused = self.refused_file.stat().st_size if self.refused_file.exists() else 0
        assert tally.progress.refused_bytes == refused, "it counts what is written by then"

    def pieces(self) -> Iterator[Piece]:
        begun = self.tally.progress
        for number, piece in enumerate(
            pieces(self.file, self.found.shape, offset=begun.offset, line=begun.line, size=50)
        ):
            if number == 8:
                os.kill(os.getpid(), signal.SIGINT)
            yield piece

    async def run(self) -> Progress:
        place, plan = self.place, Plan(self.found.sheet, self.found.shape, "/sources/import", b"key")
        refusals = Refusals(self.refused_file, delimiter=",", names=NAMES, size=0)
        with working(plan, 0) as workers:
            await Import(
                kafka=place.kafka,
                topic=Topics(place.prefix).events_bulk,
                producer=Producer(place.kafka, client_id="test"),
                workers=workers,
                progress_file=self.progress_file,
                refusals=refusals,
                tally=self.tally,
                show=self.show,
            ).run(self.pieces())
        refusals.close()
        assert self.tally.stopped
        return self.tally.progress


async def test_what_is_acknowledged_is_kept_and_the_next_run_takes_the_rest(place: Place, kafka: str) -> None:
    file = leads(place)
    found = understand(file, Wishes())
    begun = await stopped(place, file)
    assert (begun.offset, begun.line, begun.taken) == (found.begins, 2, 0), "nothing was acknowledged"

    cut = Cut(place, file, found, begun)
    async with a_door(place.port, kafka):
        left = await cut.run()
        assert len(await place.events()) == left.taken
    assert ProgressFile(place.state, file).read() == left
    assert left.offset > begun.offset
    assert [each for each in cut.kept if each is not None and each.offset > begun.offset], "it is kept while it runs"
    assert (left.taken, left.refused) != (0, 0)

    with cut.refused_file.open("a") as written:
        written.write("5,written and never kept,by one that was killed\n")
    async with a_door(place.port, kafka):
        done = await asyncio.to_thread(place.run, file, "--yes")
        found_emails = [data.identity.email for _, (_event, data) in await place.events()]
    assert f"Going on at line {left.line}: {left.taken} rows are there already." in done.stderr
    assert f"{ROWS - len(BAD)} imported, {len(BAD)} refused" in done.stdout
    assert ProgressFile(place.state, file).read() is None
    assert sorted(found_emails) == [f"p{n:02}@example.com" for n in range(ROWS) if n not in BAD], "each once"
    _, *rows = csv.reader(io.StringIO(cut.refused_file.read_bytes().decode("utf-8-sig"), newline=""))
    lines = [2 + n + -(-n // 5) for n in BAD]  # two lines of each fifth row before it
    assert [(int(row[0]), row[2]) for row in rows] == [(line, "nobody") for line in lines]


@pytest.mark.parametrize("change", ["a row more", "a letter", "an option", "--restart"])
async def test_what_is_not_the_same_import_begins_anew(place: Place, kafka: str, change: str) -> None:
    file = leads(place)
    begun = await stopped(place, file)
    ProgressFile(place.state, file).write(msgspec.structs.replace(begun, offset=begun.offset + 34, line=4, taken=1))
    if change == "a row more":
        with file.open("a") as written:
            written.write("last@example.com,one\r\n")
    elif change == "a letter":
        file.write_bytes(file.read_bytes().replace(b"p59@", b"q59@"))
    options = {"an option": ("--map=-note",), "--restart": ("--restart",)}.get(change, ())
    async with a_door(place.port, kafka):
        done = await asyncio.to_thread(place.run, file, "--yes", *options)
        taken = len(await place.events())
    said = "The file or the options are not those of the interrupted import: from the beginning."
    assert (said in done.stderr) == (change != "--restart")
    assert "Going on" not in done.stderr
    assert taken == ROWS - len(BAD) + (change == "a row more")


async def test_one_import_of_a_file_at_a_time(place: Place, kafka: str) -> None:
    file = leads(place)
    process = place.start(file)
    await says(process, b"waiting for Kafka")
    other = await asyncio.to_thread(place.run, file, "--yes")
    assert (other.returncode, "another `firsthour import` of this file is running" in other.stderr) == (1, True)
    async with a_door(place.port, kafka):
        await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 1
        assert len(await place.events()) == ROWS - len(BAD)


async def test_a_worker_that_is_killed_ends_it_and_loses_nothing(kafka: str, place: Place) -> None:
    file, place = leads(place), Place(kafka, place.prefix, place.folder)
    process = place.start(file, "--workers", "2")

    def workers() -> list[psutil.Process]:
        children = psutil.Process(process.pid).children()
        return [each for each in children if any("spawn_main" in word for word in each.cmdline())]

    await until(lambda: bool(workers()))
    workers()[0].kill()
    said, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 1
    assert b"a worker process was killed" in said
    assert b"Traceback" not in said
    done = await asyncio.to_thread(place.run, file, "--yes")
    assert done.returncode == 1, done.stderr
    assert {data.identity.email for _, (_event, data) in await place.events()} == {
        f"p{n:02}@example.com" for n in range(ROWS) if n not in BAD
    }
