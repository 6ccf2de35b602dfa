"""A search for several words finds the same by either way, and whole words first."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.domain.contact.words import asked
from services.scoring.store.contacts import batch, reads
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from tests.unit.scoring.builders import NOW, a_contact, a_lead, after, minutes

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


async def test_nobody_hides_a_company_by_being_called_like_it(engine: AsyncEngine) -> None:
    people = [("Ada Baker", None), ("Ben Baker", "Adler"), ("Baker Adler", "Smith"), ("Zoe Zander", "Baker & Söhne")]
    states = [
        after(
            a_contact(id=new_id()),
            a_lead(email=f"{n}@bakers.example", name=name, event=n, traits={"company": company} if company else {}),
        ).state
        for n, (name, company) in enumerate(people)
    ]
    async with engine.begin() as conn:
        await batch.insert_contacts(conn, states, utc_now())
        for q in ("bak", "baker", "Baker Soehne", "söhne bak"):
            found = await reads.search(conn, asked(q), 1, among="company")
            assert [each.state.get("name") for each in found] == ["Zoe Zander"], q
        for q in ("zoe", "3@bakers", "baker zander", "baker adler"):
            assert await reads.search(conn, asked(q), 10, among="company") == [], q


async def test_a_company_is_found_by_what_it_is_called_now(engine: AsyncEngine) -> None:
    before = after(a_contact(id=new_id()), a_lead(traits={"company": "Baker"})).state
    now = after(before, a_lead(traits={"company": "Adler"}, event=2, at=NOW + minutes(1))).state
    async with engine.begin() as conn:
        await batch.insert_contacts(conn, [before], utc_now())
        await batch.update_contacts(conn, [now], utc_now(), told=())
        assert [len(await reads.search(conn, [(q,)], 10, among="company")) for q in ("baker", "adler")] == [0, 1]
