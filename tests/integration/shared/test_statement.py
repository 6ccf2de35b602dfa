"""Statements that go to the driver itself: in the transaction that is open, undone with it, and lost as others are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.engine import make_engine
from shared.db.statement import Statement, copy, driver_of
from shared.db.transient import is_transient
from tests.support.servers import listening
from tests.support.waiting import until

INSERT = Statement("INSERT INTO t (n, what) SELECT * FROM unnest(CAST(:ns AS int[]), CAST(:whats AS text[]))")
TEXT = "SELECT what, n FROM t WHERE n > :least ORDER BY n"
READ = Statement(TEXT)
ROWS = {"ns": [1, 2, 3], "whats": ["a", "b", "c"]}


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="public", pool_size=1)
    async with engine.begin() as conn:
        await conn.execute(sa.text("CREATE TABLE t (n int PRIMARY KEY, what text)"))
    yield engine
    await engine.dispose()


async def rows(engine: AsyncEngine) -> list[tuple[str, int]]:
    async with engine.begin() as conn:
        return [(what, n) for what, n in await READ.rows(conn, {"least": 0})]


async def test_the_first_begins_the_transaction_and_all_are_undone_with_it(engine: AsyncEngine) -> None:
    async with engine.connect() as conn:
        assert await INSERT.run(conn, ROWS) == 3
        assert driver_of(conn).is_in_transaction()
        assert [tuple(row) for row in await READ.rows(conn, {"least": 1})] == [("b", 2), ("c", 3)]
        assert await INSERT.run(conn, {"ns": [4], "whats": ["d"]}) == 1
        await copy(conn, "t", ("n", "what"), [(5, "e")], schema="public")
        assert len(await READ.rows(conn, {"least": 0})) == 5
        await conn.rollback()
    assert await rows(engine) == []


async def test_all_are_committed_together(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        assert await READ.rows(conn, {"least": 0}) == []
        assert await INSERT.run(conn, ROWS) == 3
        await copy(conn, "t", ("n", "what"), [(5, "e")], schema="public")
    assert await rows(engine) == [("a", 1), ("b", 2), ("c", 3), ("e", 5)]


async def test_without_a_transaction_each_stands_for_itself(engine: AsyncEngine) -> None:
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        assert await INSERT.run(conn, ROWS) == 3
        assert not driver_of(conn).is_in_transaction()
    assert len(await rows(engine)) == 3


async def test_a_server_that_is_no_primary_any_more_is_let_go(engine: AsyncEngine) -> None:
    async with engine.connect() as conn:
        before = driver_of(conn).get_server_pid()
        await conn.execute(sa.text("SET TRANSACTION READ ONLY"))
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as told:
            await INSERT.run(conn, ROWS)
    assert is_transient(told.value)
    async with engine.begin() as conn:
        await READ.rows(conn, {"least": 0})
        assert driver_of(conn).get_server_pid() != before


async def test_a_lost_connection_is_transient_and_is_not_used_again(engine: AsyncEngine, database: str) -> None:
    other = make_engine(database, application="test", schema="public")

    async def insert_on_a_lost_connection() -> None:
        async with engine.connect() as conn, other.begin() as executioner:
            await READ.rows(conn, {"least": 0})
            pid = driver_of(conn).get_server_pid()
            await executioner.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            await INSERT.run(conn, ROWS)

    # By the statement, or by the way out where the server has said goodbye first.
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, sa.exc.InterfaceError, OSError)) as told:
        await insert_on_a_lost_connection()
    await other.dispose()
    assert is_transient(told.value)
    assert await rows(engine) == []


@asynccontextmanager
async def before(database: str) -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """The database's URL by way of a port of ours, and whoever has connected there."""
    real, clients = sa.make_url(database), list[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.append(writer)
        from_server, to_server = await asyncio.open_connection(real.host, real.port)
        with closing(writer), closing(to_server):
            await asyncio.gather(_passed_on(reader, to_server), _passed_on(from_server, writer))

    async with listening(serve) as port:
        yield real.set(host="127.0.0.1", port=port).render_as_string(hide_password=False), clients


async def _passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while said := await reader.read(65_536):
            writer.write(said)
    writer.close()


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("read", [READ.rows, lambda conn, values: conn.execute(sa.text(TEXT), values)])
async def test_a_connection_is_lost_once_the_server_has_said_goodbye(
    database: str, read: Callable[..., Awaitable[object]]
) -> None:
    async with before(database) as (url, clients):
        behind = make_engine(url, application="test", schema="public", pool_size=1)
        async with behind.begin() as conn:
            await read(conn, {"least": 0})
        (client,) = clients
        said = b"SFATAL\0C57P01\0Mterminating connection\0\0"
        client.write(b"E" + (len(said) + 4).to_bytes(4, "big") + said)  # and the connection's end is not seen yet

        async def refused() -> bool:
            async with behind.begin() as conn:
                await read(conn, {"least": 0})
            return False

        with pytest.raises(Exception) as told:  # noqa: PT011 - whichever the driver makes of it
            await until(refused)
        assert is_transient(told.value)
        async with behind.begin() as conn:
            await read(conn, {"least": 0})
        assert len(clients) == 2, "on another connection"
        await behind.dispose()
