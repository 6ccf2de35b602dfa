"""Makes a service's engines: its schema first in the search path, UTC, a time-out on everything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.db.database_url import dsn
from shared.db.transient import loses_connection


def make_engine(
    database_url: str,
    *,
    application: str,
    schema: str,
    pool_size: int = 5,
    patient: bool = False,
    keeps_plans: bool = False,
) -> AsyncEngine:
    """An engine on asyncpg. Nothing connects before first use; the caller disposes of it.

    No statement waits for ever: 30 s for a statement, 10 s for a lock, 30 s idle inside a transaction. `patient`: a
    statement may take as long as it has to; for migrations, which build indexes over whole tables. `keeps_plans`:
    Postgres plans a statement once for all values instead of each time; for the few statements that every lead passes
    (planning takes a third of their time), not for lists, which find partial indexes by their values.
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
                "plan_cache_mode": "force_generic_plan" if keeps_plans else "auto",
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


@asynccontextmanager
async def service_engines(
    database_url: str, *, service: str, stream: int
) -> AsyncIterator[tuple[AsyncEngine, AsyncEngine]]:
    """Two engines of a service until the block ends: for what every lead passes, and for everything else.

    The first has `stream` connections of its own, so that whoever reads lists keeps no lead waiting, and keeps plans.
    """
    application = f"firsthour-{service}"
    passed = make_engine(database_url, application=application, schema=service, pool_size=stream, keeps_plans=True)
    other = make_engine(database_url, application=application, schema=service)
    try:
        yield passed, other
    finally:
        await passed.dispose()
        await other.dispose()


def _let_go(context: ExceptionContext) -> None:
    """Drop connections that are of no use any more, so that new ones find the server, or the present primary."""
    original = context.original_exception
    if any(loses_connection(each) for each in (original, original.__cause__) if each is not None):
        context.is_disconnect = True
