"""A search for several words finds the same by either way, and whole words first."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.store.contacts import batch, reads
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from tests.unit.scoring.builders import a_contact, a_lead, after

NAMES = ("Ada Adler", "Adam Adler", "Adler Ada", "Ada Baker", "Bert Adlerson", "Ad Adler")


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="scoring")
    yield engine
    await engine.dispose()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([("ad",), ("adler",)], {*NAMES} - {"Ada Baker"}),
        ([("adler",), ("ada",)], {"Ada Adler", "Adam Adler", "Adler Ada"}),
        ([("adlers",), ("ber",)], {"Bert Adlerson"}),
        ([("baker",), ("ada",)], {"Ada Baker"}),
        ([("baker",), ("adler",)], set()),
    ],
)
async def test_several_words_find_the_same_however_many_have_the_longest(
    engine: AsyncEngine, words: list[tuple[str, ...]], found: set[str]
) -> None:
    now = utc_now()
    states = [
        after(a_contact(id=new_id()), a_lead(email=f"p{number}@example.com", name=name, event=number)).state
        for number, name in enumerate(NAMES)
    ]
    async with engine.begin() as conn:
        await batch.insert_contacts(conn, states, now)
        for few in (1, 1000):
            some = [each.state.get("name") for each in await reads.search(conn, words, 10, few=few)]
            assert sorted(some) == sorted(found), few
        first = await reads.search(conn, [("ad",), ("adler",)], 1)
        assert [each.state.get("name") for each in first] == ["Ad Adler"]
