"""What a full database costs: the same work with a few thousand contacts stored, with millions, and with few again.

Each time, on Kafka and Postgres of their own, filled by COPY (`filling`): a backlog of mixed events through one
scoring process; leads at a steady rate, from POST to webhook; and what a page reads. Half of the people are stored ones
from all over the table. Aim: with much stored each figure is at least 0.8 of what it is with little.

    python -m benchmarks.growth --contacts 5000000
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import httpx
import yaml

from benchmarks import filling
from benchmarks.backlog import somebody as new_person
from benchmarks.between import WARM_UP, WORKFLOW, at_rate, warm_up
from benchmarks.end_to_end import somebody
from benchmarks.filling import contact_id, email_of
from benchmarks.scoring import run_scoring
from benchmarks.stack import BenchStack, bench_stack
from services.scoring.config import load_scoring
from shared.db.migrate import migrate
from shared.http.cursor import encode_cursor
from tests.support.processes import Firsthour, free_ports, installed
from tests.support.receiver import receiving_apart
from tests.support.webhook_receiver import Receiver

ROOT: Final = Path(__file__).parents[1]
_AIM: Final = 0.8
_FEW: Final = 10_000
_READS: Final = 60
_MOST_WAITING: Final = 100_000


class Size(NamedTuple):
    """How much is stored."""

    contacts: int
    events: int
    enrolments: int

    @property
    def waiting(self) -> int:
        """Leads in the queue: it holds those of 30 days, however many there have ever been."""
        return min(self.contacts // 2, _MOST_WAITING)


def of(contacts: int) -> Size:
    """What goes with so many contacts."""
    return Size(contacts, 4 * contacts, contacts // 5)


def half_stored(contacts: int, leads: int) -> Callable[[], str]:
    """Addresses: in turns that of a stored contact, each once, and one that nobody knows."""
    stored = iter(random.Random(11).sample(range(contacts), leads // 2 + 1))
    turn = 0

    def address() -> str:
        nonlocal turn
        turn += 1
        return email_of(next(stored)) if turn % 2 else somebody()

    return address


async def fill(database: str, size: Size) -> None:
    for service in ("scoring", "nurture"):
        await migrate(database, service)
    await filling.fill_scoring(
        database, load_scoring(ROOT / "config"), contacts=size.contacts, events=size.events, waiting=size.waiting
    )
    await filling.fill_nurture(database, enrolments=size.enrolments, contacts=size.contacts)
    os.sync()


async def backlog(stack: BenchStack, folder: Path, size: Size, events: int) -> dict[str, Any]:
    """Of one person in two the address is stored: the same number of them, as far apart as the table is long."""
    stored = min(size.contacts, events // 10)
    between = size.contacts // stored

    def address(person: int) -> str:
        return new_person(person) if person % 2 else email_of(person // 2 % stored * between)

    folder.mkdir()
    row = await run_scoring(stack, folder, events, prefix="backlog.", address=address)
    row["rss_mb"] = row["rss_mb"][1]
    del row["disk_bytes_per_event"]
    return row


async def leads(firsthour: Firsthour, receiver: Receiver, size: Size, options: argparse.Namespace) -> dict[str, Any]:
    address = half_stored(size.contacts, WARM_UP + int(options.rate * options.seconds))
    await warm_up(firsthour, receiver, address)
    return await at_rate(firsthour, receiver, options.rate, options.seconds, address=address)


def read_paths(size: Size) -> dict[str, Iterator[str]]:
    """What a page asks for, of other contacts each time."""
    dice = random.Random(5)

    def each(path: Callable[[int], str]) -> Iterator[str]:
        while True:
            yield path(dice.randrange(size.contacts))

    return {
        "queue": each(lambda _: "/v1/queue?limit=50"),
        "contacts": each(lambda number: f"/v1/contacts?limit=50&cursor={encode_cursor(contact_id(number))}"),
        "contact_by_address": each(lambda number: f"/v1/contacts?email={email_of(number)}"),
        "contact": each(lambda number: f"/v1/contacts/{contact_id(number)}"),
        "bookings": each(lambda number: f"/v1/contacts/{contact_id(number)}/bookings"),
        "events": each(lambda number: f"/v1/contacts/{contact_id(number)}/events"),
    }


async def reads(firsthour: Firsthour, size: Size) -> dict[str, float]:
    """Milliseconds of each read over HTTP, the median of some, one after the other."""
    medians = {}
    async with httpx.AsyncClient(base_url=firsthour.url("scoring"), headers=firsthour.token(), timeout=30) as client:
        for name, paths in read_paths(size).items():
            taken = []
            for path, _ in zip(paths, range(_READS), strict=False):
                started = time.perf_counter()
                (await client.get(path)).raise_for_status()
                taken.append((time.perf_counter() - started) * 1000)
            medians[name] = round(statistics.median(taken), 2)
    return medians


def measured(size: Size, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The rows of one size."""
    rows: dict[str, dict[str, Any]] = {}

    def add(what: str, row: dict[str, Any]) -> None:
        rows[what] = row
        print(json.dumps({"what": what, "stored": size._asdict(), **row}), flush=True)

    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        receiver = cleanup.enter_context(receiving_apart())
        stack = cleanup.enter_context(bench_stack(folder))
        asyncio.run(fill(stack.database, size))
        add("backlog", asyncio.run(backlog(stack, folder / "backlog", size, options.backlog)))
        firsthour = cleanup.enter_context(
            installed(
                stack.kafka, stack.database, "", folder,
                receiver_port=receiver.port, smtp_port=free_ports(1)[0],
                settings={"FIRSTHOUR_TOPIC_PARTITIONS": "12"},
                workflows={"one-webhook": WORKFLOW, "filled": yaml.safe_dump(filling.WORKFLOW)},
            )
        )  # fmt: skip
        add("leads", asyncio.run(leads(firsthour, receiver, size, options)))
        add("reads", {"milliseconds": asyncio.run(reads(firsthour, size))})
    return rows


def figures(rows: dict[str, dict[str, Any]]) -> dict[str, float]:
    """What is compared; the lower, the better."""
    events, leads, reads = rows["backlog"], rows["leads"], rows["reads"]["milliseconds"]
    return {
        "time_per_event": 1 / events["events_per_second"],
        "cpu_per_event": events["cpu_us_per_event"],
        "postgres_per_event": events["postgres_us_per_event"],
        "rss": events["rss_mb"],
        "lead_p50": leads["milliseconds"]["p50"],
        "lead_p99": leads["milliseconds"]["p99"],
        "cpu_per_lead": leads["cpu_ms_a_lead"]["all"],
        **{f"read_{name}": taken for name, taken in reads.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=5_000_000)
    parser.add_argument("--events", type=int, help="four for each contact by default")
    parser.add_argument("--enrolments", type=int, help="that wait; one for five contacts by default")
    parser.add_argument("--backlog", type=int, default=100_000, help="events for the scoring process to work off")
    parser.add_argument("--rate", type=float, default=50, help="leads a second")
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    usual = of(options.contacts)
    events = usual.events if options.events is None else options.events
    enrolments = usual.enrolments if options.enrolments is None else options.enrolments
    before = figures(measured(of(_FEW), options))
    much = figures(measured(Size(options.contacts, events, enrolments), options))
    after = figures(measured(of(_FEW), options))  # what else the machine does has changed meanwhile
    ratios = {name: round((before[name] + after[name]) / 2 / much[name], 2) for name in much}
    print(json.dumps({"ratios": ratios, "aim": _AIM, "missed": [each for each in ratios if ratios[each] < _AIM]}))


if __name__ == "__main__":
    main()
