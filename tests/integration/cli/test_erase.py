"""`firsthour erase` beside a nurture at work: what it is sending is waited for, what comes meanwhile goes, too."""

import asyncio

import sqlalchemy as sa

from services.nurture.store.deliveries import leases
from shared.clock import utc_now
from tests.support.command import Command
from tests.support.deliveries import rows_of
from tests.support.folding import folding
from tests.support.waiting import until
from tests.unit.scoring.builders import a_lead, an_identification

COUNTS_LOOKS = (
    "CREATE SEQUENCE looks",
    "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''nurture.looks''); RETURN NULL; END'",
    "CREATE TRIGGER looks AFTER INSERT ON erased FOR EACH STATEMENT EXECUTE FUNCTION look()",
)


async def test_a_send_ends_before_its_row_goes_and_nothing_that_came_meanwhile_stays(database: str) -> None:
    async with folding(database) as scoring, rows_of(database) as nurture:
        await scoring.folds(a_lead(email="ada@example.com"), an_identification(user_id="u", event="i"))
        await scoring.folds(an_identification(email="ada@example.com", user_id="u", event="same", at=utc_now()))
        ids = [each for (each,) in await scoring.all("SELECT id FROM contacts ORDER BY merged_into NULLS FIRST")]
        assert len(ids) == 2, "one was merged into the other"

        async def follows_up(contact: object, delivery: object) -> None:
            await nurture.all(
                "UPDATE enrolments SET contact_id = :contact WHERE id IN "
                "(SELECT enrolment_id FROM deliveries WHERE id = :delivery)",
                contact=contact, delivery=delivery,
            )  # fmt: skip

        for statement in COUNTS_LOOKS:
            await nurture.all(statement)
        for contact, delivery in zip(ids, await nurture.add(2), strict=True):
            await follows_up(contact, delivery)
        (sending,) = await nurture.claim(most=1)
        command = Command(database=database)
        erasing = asyncio.create_task(asyncio.to_thread(command, "erase", "ada@example.com", "--yes"))

        async def has_looked_often() -> bool:
            return bool(await nurture.one("SELECT last_value FROM looks") >= 3)

        async def nothing_is_left() -> bool:
            return bool(await nurture.one("SELECT count(*) FROM enrolments") == 0)

        await until(has_looked_often)
        assert not await nothing_is_left(), "it waits for what is under way"
        async with scoring.engine.begin() as conn:  # a batch has the contact
            await conn.execute(sa.text("SELECT FROM contacts WHERE id = :id FOR UPDATE"), {"id": ids[0]})
            async with nurture.engine.begin() as other:
                await leases.release(other, [sending])
            await until(nothing_is_left)
            (late,) = await nurture.add()
            await follows_up(ids[1], late)
        ended = await erasing
        assert ended.code == 0, ended.err
        assert await nothing_is_left()
        assert await scoring.one("SELECT count(*) FROM contacts") == 0
