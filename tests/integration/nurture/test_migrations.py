from services.nurture.tables import SCHEMA, metadata
from shared.db.migrate import differences, migrate


async def test_the_schema_is_what_the_code_says(database: str) -> None:
    assert await differences(database, SCHEMA, metadata) == []


async def test_down_and_up_again(database: str) -> None:
    await migrate(database, SCHEMA, "base")
    assert await differences(database, SCHEMA, metadata) != []
    await migrate(database, SCHEMA)
    assert await differences(database, SCHEMA, metadata) == []
