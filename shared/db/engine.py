"""Makes the one engine of a service: its schema first in the search path, UTC, a time-out on everything."""

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.db.database_url import dsn


def make_engine(database_url: str, *, application: str, schema: str, pool_size: int = 5) -> AsyncEngine:
    """An engine on asyncpg. Nothing connects before first use; the caller disposes of it. Raises NotAPostgresUrl.

    No statement waits for ever: 30 s for a statement, 10 s for a lock, 30 s idle inside a transaction.
    """
    address = dsn(database_url)

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(
            address,
            timeout=5,
            command_timeout=40,
            server_settings={
                "application_name": application,
                "search_path": schema,
                "timezone": "UTC",
                "statement_timeout": "30000",
                "lock_timeout": "10000",
                "idle_in_transaction_session_timeout": "30000",
            },
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=False,  # a lost connection is a transient error of the batch, which is repeated anyway
        pool_recycle=1800,
        hide_parameters=True,  # they hold personal data, and an error's text is logged
    )
