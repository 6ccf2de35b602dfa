"""A replay beside live batches, on Postgres alone: what is written as it waits to switch is neither lost nor brought back."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.scoring.jobs.machine import Judging
from services.scoring.jobs.replay import CannotReplay, Replaying, Report
from services.scoring.models import InForce
from services.scoring.store.contacts import erase
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from shared.events.envelope import encode
from shared.kafka.records import Record
from shared.tokens import Actor
from tests.support.folding import TOPICS, Folding, folding
from tests.support.waiting import until
from tests.unit.scoring.builders import NOW, a_lead, a_model, a_purchase, minutes

WAITS = """
    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND mode = 'ExclusiveLock' AND datname = current_database()
"""
UNBALANCED = """
    SELECT c.id FROM contacts c LEFT JOIN bookings b ON b.contact_id = c.id GROUP BY c.id
    HAVING coalesce(sum(amount) FILTER (WHERE account = 'lead'), 0) <> c.lead_value
        OR coalesce(sum(amount) FILTER (WHERE account = 'customer'), 0) <> c.customer_value
"""


@pytest.fixture
async def scoring(database: str) -> AsyncIterator[Folding]:
    async with folding(database) as scoring:
        yield scoring


async def replayed(database: str) -> Report:
    engine = make_engine(database, application="replay", schema="scoring", pool_size=1, patient=True)

    async def told(_done: int, _of: int) -> None:
        pass

    try:
        replaying = Replaying(engine, InForce(a_model()), TOPICS.events_bulk, utc_now, new_id, told)
        return await replaying.run(Actor("zoe", "command"))
    finally:
        await engine.dispose()


async def whose(scoring: Folding, name: str) -> UUID:
    found: UUID = await scoring.one(
        "SELECT contact_id FROM identities WHERE key = :key", key=f"email:{name}@example.com"
    )
    return found


async def test_who_buys_or_is_erased_while_it_waits_to_switch_has_bought_or_is_gone(
    scoring: Folding, database: str
) -> None:
    for name in ("buys", "goes", "stays"):
        address = {"email": f"{name}@example.com"}
        await scoring.folds(a_lead(**address, event=name), a_purchase(**address, order_id=name, at=NOW + minutes(1)))
    buys, goes = [await whose(scoring, name) for name in ("buys", "goes")]
    await scoring.all("UPDATE contacts SET customer_value = 5")
    async with scoring.engine.begin() as batch:
        await batch.execute(sa.text("SELECT FROM contacts FOR UPDATE"))
        replaying = asyncio.create_task(replayed(database))
        await until(lambda: scoring.one(WAITS))
        with pytest.raises(CannotReplay, match="another replay"):
            await replayed(database)
        again = a_purchase(email="buys@example.com", order_id="again", at=NOW + minutes(2))
        await scoring.handler.handle(batch, [Record(TOPICS.events, 0, 99, None, encode(again.event), 0)])
        await erase.erase(batch, [goes], [])
    report = await replaying
    assert report.switched
    assert await scoring.all(UNBALANCED) == []
    assert await scoring.one("SELECT customer_value FROM contacts WHERE id = :id", id=buys) == 2 * 3500
    orders = await scoring.all("SELECT order_id FROM orders ORDER BY order_id")
    assert orders == [("again",), ("buys",), ("stays",)]
    assert await scoring.one("SELECT count(*) FROM bookings WHERE contact_id = :id", id=goes) == 0
    assert (await replayed(database)).different == 0, "the sums of the funnel are right as well"


async def test_a_machine_stays_one_and_a_person_a_person(scoring: Folding, database: str) -> None:
    for name in ("robot", "ada"):
        await scoring.folds(a_lead(email=f"{name}@example.com", event=name))
    judging = Judging(a_model(), new_id)
    async with scoring.engine.begin() as conn:
        await judging.judge(conn, await whose(scoring, "robot"), utc_now(), Actor("zoe", "command"), machine=True)
    assert (await replayed(database)).different == 0
    await scoring.all("UPDATE contacts SET lead_value = 5")
    assert (await replayed(database)).switched
    values = [await scoring.one("SELECT lead_value FROM contacts WHERE id = :id", id=await whose(scoring, name))
              for name in ("robot", "ada")]  # fmt: skip
    assert values[0] == 0 < values[1]


async def test_a_person_that_was_taken_for_a_machine_has_said_all_that_they_said(
    scoring: Folding, database: str
) -> None:
    ada = {"email": "ada@example.com"}
    await scoring.folds(a_lead(**ada, name="Ada", event="before"))
    who, judging, begin = await whose(scoring, "ada"), Judging(a_model(), new_id), utc_now()
    for machine in (True, False):
        async with scoring.engine.begin() as conn:
            await judging.judge(conn, who, begin, Actor("zoe", "command"), machine=machine)
        if machine:
            again = a_lead(**ada, interest="boots", event="meanwhile", received=begin + minutes(1))
            await scoring.folds(again)
            assert "boots" not in await scoring.one("SELECT convert_from(state, 'UTF8') FROM contacts")
            assert (await replayed(database)).different == 0
    assert "boots" in await scoring.one("SELECT convert_from(state, 'UTF8') FROM contacts")
    assert (await replayed(database)).different == 0
