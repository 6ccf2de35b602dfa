"""Kafka and Postgres as a user has them (fsync on), for one benchmark."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.brokers import stack as embedded


@dataclass(frozen=True)
class BenchStack:
    """Kafka's bootstrap server and the URL of an empty database."""

    kafka: str
    database: str


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
