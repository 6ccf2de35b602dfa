"""Statements that go to the driver itself: in the transaction that is open, undone with it, and lost as others are."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.engine import make_engine
from shared.db.statement import Statement, copy, driver_of
from shared.db.transient import is_transient

INSERT = Statement("INSERT INTO t (n, what) SELECT * FROM unnest(CAST(:ns AS int[]), CAST(:whats AS text[]))")
READ = Statement("SELECT what, n FROM t WHERE n > :least ORDER BY n")
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
