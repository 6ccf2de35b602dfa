import sqlalchemy as sa

from services.nurture.tables import SCHEMA, metadata
from shared.db.engine import make_engine
from shared.db.migrate import differences, migrate


async def test_the_schema_is_what_the_code_says(database: str) -> None:
    assert await differences(database, SCHEMA, metadata) == []


async def test_down_and_up_again(database: str) -> None:
    await migrate(database, SCHEMA, "base")
    assert await differences(database, SCHEMA, metadata) != []
    await migrate(database, SCHEMA)
    assert await differences(database, SCHEMA, metadata) == []


async def test_storage_that_is_not_what_the_code_says_is_a_difference(database: str) -> None:
    engine = make_engine(database, application="test", schema=SCHEMA)
    async with engine.begin() as conn:
        await conn.execute(sa.text("ALTER TABLE deliveries RESET (fillfactor)"))
        await conn.execute(sa.text("ALTER TABLE tasks SET (fillfactor = 70)"))
    await engine.dispose()
    assert sorted(await differences(database, SCHEMA, metadata), key=str) == [
        ("storage", "deliveries", ["toast_tuple_target=256"], ["fillfactor=50", "toast_tuple_target=256"]),
        ("storage", "tasks", ["fillfactor=70"], []),
    ]


async def test_a_migration_may_take_as_long_as_its_tables_need(database: str) -> None:
    for patient, timeout in ((True, "0"), (False, "30s")):
        engine = make_engine(database, application="test", schema=SCHEMA, patient=patient)
        async with engine.connect() as conn:
            assert (await conn.execute(sa.text("SHOW statement_timeout"))).scalar_one() == timeout
        await engine.dispose()
