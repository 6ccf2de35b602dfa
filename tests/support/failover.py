"""A database that takes no writes for a while: the server is the former primary, as after a failover."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

ONLOOKER = "onlooker"  # its connections are spared
_CUT = f"""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> '{ONLOOKER}'
"""


@asynccontextmanager
async def failed_over(database: str) -> AsyncIterator[None]:
    """Within the block connections are cut once, and new ones can only read. Both are transient errors."""
    name = database.rpartition("/")[2]
    operator = await asyncpg.connect(database)
    try:
        await operator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        await operator.execute(_CUT)
        yield
    finally:
        await operator.execute("SET default_transaction_read_only = off")
        await operator.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await operator.close()
