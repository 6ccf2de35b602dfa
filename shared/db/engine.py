"""Makes the one engine of a service: its schema first in the search path, UTC, a time-out on everything."""

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.db.database_url import dsn
from shared.db.transient import loses_connection


def make_engine(
    database_url: str, *, application: str, schema: str, pool_size: int = 5, patient: bool = False
) -> AsyncEngine:
    """An engine on asyncpg. Nothing connects before first use; the caller disposes of it.

    No statement waits for ever: 30 s for a statement, 10 s for a lock, 30 s idle inside a transaction. `patient`: a
    statement may take as long as it has to; for migrations, which build indexes over whole tables.
    """
    address = dsn(database_url)

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(
            address,
            timeout=5,
            command_timeout=None if patient else 40,
            server_settings={
                "application_name": application,
                "search_path": schema,
                "timezone": "UTC",
                "statement_timeout": "0" if patient else "30000",
                "lock_timeout": "10000",
                "idle_in_transaction_session_timeout": "30000",
                # The server releases the locks of a host that lost power (above all the publisher's) after
                # half a minute; with TCP's defaults it would take two hours.
                "tcp_keepalives_idle": "15",
                "tcp_keepalives_interval": "5",
                "tcp_keepalives_count": "3",
                "tcp_user_timeout": "30000",
            },
        )

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=False,  # a lost connection is a transient error, and the batch is repeated anyway
        pool_recycle=1800,
        hide_parameters=True,  # parameters hold personal data, and error texts are logged
    )
    event.listen(engine.sync_engine, "handle_error", _let_go)
    return engine


def _let_go(context: ExceptionContext) -> None:
    """Drop connections that are of no use any more, so that new ones find the server, or the present primary."""
    original = context.original_exception
    if any(loses_connection(each) for each in (original, original.__cause__) if each is not None):
        context.is_disconnect = True
