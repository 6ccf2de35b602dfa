"""How scoring's children run: at low priority, on the database and the configuration that the environment names."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.tables import SCHEMA
from shared.db.engine import make_engine
from shared.settings import Settings, load


@asynccontextmanager
async def one_connection(database: str, application: str) -> AsyncIterator[AsyncEngine]:
    """An engine on scoring's schema with a single connection."""
    engine = make_engine(database, application=application, schema=SCHEMA, pool_size=1)
    try:
        yield engine
    finally:
        await engine.dispose()


def run(work: Callable[[str, Path], Awaitable[object]]) -> int:
    """Run `work(database, config)` as the service's child; its results go to the database."""
    os.nice(15)  # everything else goes first
    settings = load(Settings)

    async def whole() -> None:
        await work(settings.database_url(), settings.config)

    asyncio.run(whole())
    return 0
