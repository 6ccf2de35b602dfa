"""Kafka and Postgres as a user has them (fsync on), or Postgres alone, for one benchmark."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from embedded.brokers import stack as embedded
from embedded.brokers.postgres import Postgres


@dataclass(frozen=True)
class BenchStack:
    """Kafka's bootstrap server and the URL of an empty database."""

    kafka: str
    database: str


def is_ready(port: int) -> bool:
    """Whether the service on this port of this machine can do its work."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).is_success
    return False


@contextmanager
def bench_stack(folder: Path) -> Iterator[BenchStack]:
    """Run both until the block ends. Their event loop lives in a thread of its own."""
    folder.chmod(0o711)  # root's Postgres runs as another user and has to reach its data
    runner = asyncio.Runner()
    with ThreadPoolExecutor(1) as thread:
        parts = AsyncExitStack()
        try:
            kafka_and_postgres = embedded.stack(folder / "stack", authenticated=False)
            running = thread.submit(runner.run, parts.enter_async_context(kafka_and_postgres)).result()
            yield BenchStack(running.bootstrap, running.database_url)
        finally:
            thread.submit(runner.run, parts.aclose()).result()
            thread.submit(runner.close).result()


@asynccontextmanager
async def bench_postgres(*, fsync: bool) -> AsyncIterator[str]:
    """Run a Postgres until the block ends; the URL of its empty database."""
    with TemporaryDirectory(prefix="firsthour-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # root's Postgres runs as another user and has to reach its data
        postgres = Postgres(folder, fsync=fsync)
        await postgres.start()
        try:
            yield postgres.url
        finally:
            await postgres.stop()
