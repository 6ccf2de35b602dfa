"""Statements of the hot path: given to the driver itself, for a third of SQLAlchemy's cost.

The transaction, the pool and the handling of lost connections stay SQLAlchemy's. It tells the server of a transaction
only with the first statement, so the first one that goes by here does as much.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.transient import loses_connection

T = TypeVar("T")
_DIALECT: Final = dialect.dialect()  # type: ignore[no-untyped-call] # the package has no types here


class Statement:
    """SQL with `:names`, as in `sa.text`."""

    def __init__(self, sql: str) -> None:
        """Nothing is prepared before it is first run; the driver keeps it prepared from then on."""
        compiled = sa.text(sql).compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self.names: Sequence[str] = compiled.positiontup or ()

    async def rows(self, conn: AsyncConnection, values: Mapping[str, Any]) -> list[asyncpg.Record]:
        """Run it; every row that it returns, to be unpacked or read by name."""
        driver = await _begun(conn)
        return await _run(conn, driver.fetch(self.sql, *(values[name] for name in self.names)))

    async def run(self, conn: AsyncConnection, values: Mapping[str, Any]) -> int:
        """Run it; how many rows it wrote."""
        driver = await _begun(conn)
        run = driver.execute(self.sql, *(values[name] for name in self.names))
        status: str = await _run(conn, run)
        return int(status.rpartition(" ")[2])


async def copy(
    conn: AsyncConnection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], *, schema: str
) -> None:
    """COPY rows: cheaper than arrays at both ends, where they are many."""
    driver = await _begun(conn)
    work = driver.copy_records_to_table(table, schema_name=schema, columns=columns, records=rows)
    await _run(conn, work)


def driver_of(conn: AsyncConnection) -> asyncpg.Connection:
    """The driver's own connection."""
    assert conn.sync_connection is not None, "a connection is begun before anything is run on it"
    driver = conn.sync_connection.connection.driver_connection
    assert driver is not None
    return driver


async def _begun(conn: AsyncConnection) -> asyncpg.Connection:
    """The driver's own connection, in the transaction of `conn`; in none if `conn` commits each statement."""
    driver = driver_of(conn)
    if driver.is_in_transaction():
        return driver
    assert conn.sync_connection is not None
    adapted: Any = conn.sync_connection.connection.dbapi_connection
    if not adapted.autocommit:
        if not conn.in_transaction():
            await conn.begin()
        transaction = driver.transaction(isolation=adapted.isolation_level)
        await _run(conn, transaction.start())
        adapted._transaction = transaction  # noqa: SLF001 - where its cursors put theirs, and its commit looks
    return driver


async def _run(conn: AsyncConnection, work: Awaitable[T]) -> T:
    """Let go of a lost connection, and of a server that is no primary any more, as the engine does with its own."""
    try:
        return await work
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        if driver_of(conn).is_closed() or loses_connection(error):
            await conn.invalidate(error)
        raise
