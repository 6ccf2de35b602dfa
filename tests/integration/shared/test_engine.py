"""What an engine gives its statements: how long they may take, and nothing of what they hold to the logs."""

import pytest
import sqlalchemy as sa

from shared.db.engine import make_engine
from shared.db.statement import driver_of


async def test_an_error_says_nothing_of_what_was_written(database: str) -> None:
    engine = make_engine(database, application="test", schema="scoring")
    with pytest.raises(sa.exc.DBAPIError) as caught:
        async with engine.begin() as conn:
            await conn.execute(sa.text("SELECT 1 / 0 WHERE :who <> ''"), {"who": "ada@example.com"})
    await engine.dispose()
    assert "division by zero" in str(caught.value)
    assert "ada@example.com" not in str(caught.value)


@pytest.mark.parametrize(("patient", "server", "client"), [(False, "30s", 40), (True, "0", None)])
async def test_a_migration_may_take_as_long_as_it_has_to_and_nothing_else(
    database: str, patient: bool, server: str, client: int | None
) -> None:
    engine = make_engine(database, application="test", schema="scoring", patient=patient)
    async with engine.connect() as conn:
        assert (await conn.execute(sa.text("SHOW statement_timeout"))).scalar_one() == server
        assert (await conn.execute(sa.text("SHOW lock_timeout"))).scalar_one() == "10s"
        assert driver_of(conn)._config.command_timeout == client
    await engine.dispose()
