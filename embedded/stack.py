"""Kafka and Postgres of one state folder, started together: the supervisor, tests and benchmarks stand on it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.kafka import Kafka
from embedded.ports import holder, is_free
from embedded.postgres import Postgres
from embedded.process import stop_leftovers
from embedded.state import locked
from shared.errors import FirsthourError

Report = Callable[[str, str], None]
"""Called with a part's name and what it does now, in a few words; `ready` is the last of each."""


class PortsTaken(FirsthourError):  # noqa: N818 - reads as what happened
    """Other programs listen where we would; names each, and the setting that changes it."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A running Kafka and Postgres."""

    state: Path
    kafka: Kafka
    postgres: Postgres

    @property
    def bootstrap(self) -> str:
        """`host:port` of Kafka."""
        return self.kafka.bootstrap

    @property
    def database_url(self) -> str:
        """The URL of the database `firsthour`."""
        return self.postgres.url


def check_ports(wanted: Mapping[str, int]) -> None:
    """Raise PortsTaken unless every port (setting → port; 0 means any) is free and wanted once."""
    problems = []
    for setting, port in wanted.items():
        twins = [other for other, its in wanted.items() if its == port and other != setting]
        if port and twins:
            problems.append(f"port {port} is wanted twice: change {setting} or {twins[0]}")
        elif port and not is_free(port):
            who = holder(port)
            problems.append(f"port {port} is taken{f' by {who}' if who else ''}: free it, or set {setting} to another")
    if problems:
        raise PortsTaken("\n".join(problems))


@asynccontextmanager
async def stack(
    state: Path,
    *,
    kafka_port: int = 0,
    postgres_port: int = 0,
    fsync: bool = True,
    report: Report = lambda _name, _text: None,
) -> AsyncIterator[Stack]:
    """Run Kafka and Postgres in the state folder; ports of 0 mean any free one. Stops both at the end.

    `fsync=False` is for tests: a crash of the machine may lose the database. Raises FirsthourError in one line.
    """
    with locked(state) as folder:
        async with unlocked_stack(
            folder, kafka_port=kafka_port, postgres_port=postgres_port, fsync=fsync, report=report
        ) as running:
            yield running


@asynccontextmanager
async def unlocked_stack(
    state: Path, *, kafka_port: int, postgres_port: int, fsync: bool, report: Report
) -> AsyncIterator[Stack]:
    """The same for who holds the state's lock already."""
    await stop_leftovers(state)
    check_ports({"FIRSTHOUR_EMBEDDED_KAFKA_PORT": kafka_port, "FIRSTHOUR_EMBEDDED_POSTGRES_PORT": postgres_port})
    running = Stack(state, Kafka(state, kafka_port), Postgres(state, postgres_port, fsync=fsync))
    try:
        await start_together(running, report)
        yield running
    finally:
        await asyncio.shield(asyncio.gather(running.kafka.stop(), running.postgres.stop()))


async def start_together(running: Stack, report: Report) -> None:
    """Start both at once; the first trouble ends the other's start and is raised as it is."""

    async def start(name: str, part: Kafka | Postgres) -> None:
        await part.start(lambda text: report(name, text))
        report(name, "ready")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(start("kafka", running.kafka))
            group.create_task(start("postgres", running.postgres))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
