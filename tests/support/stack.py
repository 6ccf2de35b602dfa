"""Real Kafka and Postgres for tests: one stack for a whole test run, and private ones that may be killed."""

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from embedded.brokers import stack as embedded
from embedded.brokers.jars import cache_folder
from embedded.brokers.kafka import make_archive
from shared.db.migrate import migrate
from shared.db.services import SERVICES

T = TypeVar("T")

_FOLDER = "firsthour-tests-"
_HELD = ".held"
_TEMPLATE = "template_firsthour"
_ROOT = Path(__file__).parents[2]


class Run(Protocol):
    """Runs a coroutine to its end."""

    def __call__(self, work: Coroutine[Any, Any, T], /) -> T: ...


class Addresses(Protocol):
    """Where a Kafka and a Postgres are."""

    @property
    def kafka(self) -> str: ...
    @property
    def postgres(self) -> str: ...


@dataclass(frozen=True)
class Stack:
    """The stack of this test run: Kafka's bootstrap server, and the URL of a database of Postgres' superuser."""

    kafka: str
    postgres: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class OwnStack:
    """A stack for one test alone, to be killed and started again on the same ports. For any thread."""

    def __init__(self, running: embedded.Stack) -> None:
        self._running = running

    @property
    def kafka(self) -> str:
        return self._running.bootstrap

    @property
    def postgres(self) -> str:
        return self._running.database_url

    def kill_kafka(self) -> None:
        self._running.kafka.kill()

    def start_kafka(self) -> None:
        _apart(self._running.kafka.start())

    def stall_kafka(self) -> None:
        """It keeps its connections and answers nothing from now on, as a broker whose disk hangs."""
        kafka = self._kafka_pid()
        os.killpg(kafka, signal.SIGSTOP)
        os.waitid(os.P_PID, kafka, os.WSTOPPED | os.WNOWAIT)  # its last thread may still be answering

    def resume_kafka(self) -> None:
        os.killpg(self._kafka_pid(), signal.SIGCONT)

    def _kafka_pid(self) -> int:
        child = self._running.kafka.child
        assert child is not None
        assert child.pid is not None
        return child.pid

    def kill_postgres(self) -> None:
        self._running.postgres.kill()

    def start_postgres(self) -> None:
        _apart(self._running.postgres.start())


@contextmanager
def running_stack() -> Iterator[Stack]:
    """The stack of a test run, with a migrated template database in it.

    The first run on a machine also makes what lets brokers start in half the time: tests that kill theirs start many.
    """
    with _event_loop() as run:
        run(make_archive(cache_folder()))
    with _running() as running:
        yield Stack(running.bootstrap, running.database_url)


@contextmanager
def running_own_stack() -> Iterator[OwnStack]:
    """A private stack, with a migrated template database in it."""
    with _running() as running:
        yield OwnStack(running)


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """An empty folder that root's Postgres, which runs as another user, can reach: pytest's own are closed to it."""
    _remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    with (folder / _HELD).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    """What a killed run left: the kernel ended its processes and its locks, their folders stay."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError), (folder / _HELD).open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running() -> Iterator[embedded.Stack]:
    parts = AsyncExitStack()
    with reachable_folder() as folder, _event_loop() as run:
        running = run(parts.enter_async_context(embedded.stack(folder, fsync=False, authenticated=False)))
        try:
            run(_make_template(running.database_url))
            yield running
        finally:
            run(parts.aclose())


async def _make_template(url: str) -> None:
    await _execute(url, f"CREATE DATABASE {_TEMPLATE}")
    for service in SERVICES:
        if (_ROOT / "services" / service / "migrations" / "env.py").exists():
            await migrate(_at(url, _TEMPLATE), service)


@contextmanager
def fresh_database(stack: Addresses) -> Iterator[str]:
    """The URL of a migrated, empty database of its own; dropped at the end."""
    name = f"test_{secrets.token_hex(6)}"
    _apart(_execute(stack.postgres, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy"))
    try:
        yield _at(stack.postgres, name)
    finally:
        _apart(_execute(stack.postgres, f"DROP DATABASE {name} WITH (FORCE)"))


@contextmanager
def fresh_prefix(stack: Addresses) -> Iterator[str]:
    """A prefix for topics and groups that nobody else has; its topics are deleted at the end."""
    prefix = f"t{secrets.token_hex(3)}."
    try:
        yield prefix
    finally:
        _apart(_delete_topics(stack.kafka, prefix))


async def _execute(url: str, statement: str) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


async def _delete_topics(bootstrap: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if names:
            await admin.delete_topics(names)
    finally:
        await admin.close()


def _at(url: str, database: str) -> str:
    return f"{url.rpartition('/')[0]}/{database}"


@contextmanager
def _event_loop() -> Iterator[Run]:
    """Runs coroutines on an event loop of its own, so that neither the caller's loop nor a missing one matters."""
    runner = asyncio.Runner()
    with ThreadPoolExecutor(1) as thread:

        def run(work: Coroutine[Any, Any, T]) -> T:
            return thread.submit(runner.run, work).result()

        try:
            yield run
        finally:
            thread.submit(runner.close).result()


def _apart(work: Coroutine[Any, Any, T]) -> T:
    with _event_loop() as run:
        return run(work)
