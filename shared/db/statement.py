"""Statements that a batch runs several times: given to the driver itself, for a third of SQLAlchemy's cost.

The transaction, the pool and the handling of lost connections stay SQLAlchemy's. It begins a transaction with the first
statement that goes through it, so the first one does; later ones take the short cut.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.transient import READ_ONLY

T = TypeVar("T")
_ENDS: Final = ("08", "57P")  # the connection was lost, or the server ends it: a shutdown, a crash
_DIALECT: Final = dialect.dialect()  # type: ignore[no-untyped-call] # the package has no types here


class Statement:
    """SQL with `:names`, as in `sa.text`."""

    def __init__(self, sql: str) -> None:
        """Nothing is prepared before it is first run; the driver keeps it prepared from then on."""
        self._text = sa.text(sql)
        compiled = self._text.compile(dialect=_DIALECT)
        self._sql = str(compiled)
        self._names: Sequence[str] = compiled.positiontup or ()

    async def rows(self, conn: AsyncConnection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Run it; every row that it returns, to be unpacked."""
        driver = driver_of(conn)
        if not driver.is_in_transaction():
            return (await conn.execute(self._text, values)).all()
        return await _run(conn, driver.fetch(self._sql, *(values[name] for name in self._names)))

    async def run(self, conn: AsyncConnection, values: Mapping[str, Any]) -> int:
        """Run it; how many rows it wrote."""
        driver = driver_of(conn)
        if not driver.is_in_transaction():
            return (await conn.execute(self._text, values)).rowcount
        run = driver.execute(self._sql, *(values[name] for name in self._names))
        status: str = await _run(conn, run)
        return int(status.rpartition(" ")[2])


async def copy(
    conn: AsyncConnection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], *, schema: str
) -> None:
    """COPY rows: cheaper than arrays at both ends, where they are many. An earlier statement began the transaction."""
    work = driver_of(conn).copy_records_to_table(table, schema_name=schema, columns=columns, records=rows)
    await _run(conn, work)


def driver_of(conn: AsyncConnection) -> asyncpg.Connection:
    """The driver's own connection."""
    assert conn.sync_connection is not None, "a connection is begun before anything is run on it"
    driver = conn.sync_connection.connection.driver_connection
    assert driver is not None
    return driver


async def _run(conn: AsyncConnection, work: Awaitable[T]) -> T:
    """Let go of a lost connection, and of a server that is no primary any more, as the engine does with its own."""
    try:
        return await work
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        state = getattr(error, "sqlstate", None) or ""
        if driver_of(conn).is_closed() or state == READ_ONLY or state.startswith(_ENDS):
            await conn.invalidate(error)
        raise
