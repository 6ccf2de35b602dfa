"""Kafka and Postgres of one state folder, started together, for the supervisor, tests and benchmarks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from embedded.brokers.kafka import Kafka
from embedded.brokers.ports import holder, is_free
from embedded.brokers.postgres import Postgres
from embedded.brokers.process import stop_leftovers
from embedded.brokers.state import locked
from shared.errors import FirsthourError

READY: Final = "ready"
Report = Callable[[str, str], None]
"""Called with a part's name and what it does now, in a few words; READY is the last of each."""


class PortsTaken(FirsthourError):  # noqa: N818 - reads as what happened
    """Other programs listen on our ports; names each, and the setting that changes it."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A Kafka and a Postgres that share a state folder."""

    state: Path
    kafka: Kafka
    postgres: Postgres

    @classmethod
    def of(
        cls, state: Path, *, kafka_port: int = 0, postgres_port: int = 0, fsync: bool = True, authenticated: bool = True
    ) -> Self:
        """Both, not yet started; a port of 0 becomes a free one."""
        return cls(
            state, Kafka(state, kafka_port, authenticated=authenticated), Postgres(state, postgres_port, fsync=fsync)
        )

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
    by_port: dict[int, list[str]] = {}
    for setting, port in wanted.items():
        by_port.setdefault(port, []).append(setting)
    for port, settings in by_port.items():
        if port and len(settings) > 1:
            problems.append(f"port {port} is used more than once: change {' or '.join(settings)}")
        elif port and not is_free(port):
            who = holder(port)
            where = f"port {port} is taken{f' by {who}' if who else ''}"
            problems.append(f"{where}: free it, or set {settings[0]} to another")
    if problems:
        raise PortsTaken("\n".join(problems))


@asynccontextmanager
async def stack(
    state: Path,
    *,
    kafka_port: int = 0,
    postgres_port: int = 0,
    fsync: bool = True,
    authenticated: bool = True,
    report: Report = lambda _name, _text: None,
) -> AsyncIterator[Stack]:
    """Run Kafka and Postgres in the state folder; ports of 0 mean any free one. Stops both at the end.

    For tests: with `fsync=False` a crash of the machine may lose the database; with `authenticated=False` Kafka accepts
    anybody on this machine. Raises FirsthourError in one line.
    """
    with locked(state) as folder:
        await stop_leftovers(folder)
        check_ports({"Kafka's port": kafka_port, "Postgres' port": postgres_port})
        running = Stack.of(
            folder, kafka_port=kafka_port, postgres_port=postgres_port, fsync=fsync, authenticated=authenticated
        )

        async def start(name: str, part: Kafka | Postgres) -> None:
            await part.start(lambda text: report(name, text))
            report(name, READY)

        async with stopped_at_the_end(running):
            await first_error(start("kafka", running.kafka), start("postgres", running.postgres))
            yield running


@asynccontextmanager
async def stopped_at_the_end(the_stack: Stack) -> AsyncIterator[None]:
    """Stops on exit whatever of it the block has started."""
    try:
        yield
    finally:
        await asyncio.gather(the_stack.kafka.stop(), the_stack.postgres.stop())


async def first_error(*work: Coroutine[Any, Any, None]) -> None:
    """Run all concurrently; the first error cancels the rest and is raised unwrapped."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
