"""What is published again keeps its order, whatever order its rows have, and marks outlast every copy that may come."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.retention import REMEMBER_DAYS
from services.nurture.store import enrolments, retention
from services.nurture.store.batch import open_batch
from services.scoring.store.contacts import batch
from services.scoring.store.contacts.batch import UpdateRow
from shared.clock import utc_now
from shared.db.engine import make_engine
from shared.db.tables import dead_letters
from shared.db.tables import facts as outbox
from shared.db.tables.dead_letters import DeadLetterRow
from shared.db.tables.facts import Fact
from shared.kafka.topics import EVENT_RETENTION_DAYS
from tests.support.waiting import until

BACKWARDS = range(9, -1, -1)


@pytest.fixture
async def scoring(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="scoring")
    yield engine
    await engine.dispose()


@pytest.fixture
async def nurture(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="nurture")
    yield engine
    await engine.dispose()


async def test_updates_are_published_again_in_the_order_of_their_events(scoring: AsyncEngine) -> None:
    rows = [UpdateRow("events", 3, n, b"update %d" % n) for n in BACKWARDS]
    async with scoring.begin() as conn:
        await batch.insert_updates(conn, rows)
        await conn.execute(sa.text("SET LOCAL enable_indexscan = off"))  # the rows as they lie
        await conn.execute(sa.text("SET LOCAL enable_bitmapscan = off"))
        assert await batch.unpublished(conn, "events", 3, 2, 9) == [b"update %d" % n for n in range(2, 9)]


async def test_dead_letters_are_published_again_in_order(scoring: AsyncEngine) -> None:
    now = utc_now()
    rows = [DeadLetterRow("events", 3, n, None, b"", "permanent", "P", "", "shop", 1, now, now) for n in BACKWARDS]
    async with scoring.begin() as conn:
        await dead_letters.insert(conn, rows)
        await conn.execute(sa.text("SET LOCAL enable_indexscan = off"))
        await conn.execute(sa.text("SET LOCAL enable_bitmapscan = off"))
        assert [row.offset for row in await dead_letters.between(conn, ("events", 3), 2, 9)] == list(range(2, 9))


async def test_of_two_people_who_redrive_a_dead_letter_one_does(scoring: AsyncEngine) -> None:
    now, place = utc_now(), ("events", 3, 1)
    async with scoring.begin() as conn:
        letter = DeadLetterRow(*place, None, b"", "permanent", "P", "", "shop", 1, now, now)
        await dead_letters.insert(conn, [letter])

    async def other() -> bool:
        async with scoring.begin() as conn:
            return await dead_letters.may_redrive(conn, *place)

    async def waits() -> bool:
        async with scoring.connect() as conn:
            locks = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return asking.done() or (await conn.execute(sa.text(locks))).first() is not None

    async with scoring.begin() as conn:
        assert await dead_letters.waiting(conn) == (1, now)
        assert await dead_letters.may_redrive(conn, *place)
        asking = asyncio.create_task(other())
        await until(waits)
        await dead_letters.mark_redriven(conn, *place)
    assert not await asking
    async with scoring.connect() as conn:
        assert await dead_letters.waiting(conn) == (0, None)


async def test_facts_are_published_in_the_order_in_which_they_came_true(nurture: AsyncEngine) -> None:
    async with nurture.begin() as conn:
        await outbox.insert(conn, [Fact(UUID(int=n), b"k", b"v") for n in BACKWARDS])
        await conn.execute(sa.text("SET LOCAL enable_indexscan = off"))
        await conn.execute(sa.text("SET LOCAL enable_indexonlyscan = off"))
        assert [fact.id.int for fact in await outbox.oldest(conn, 5)] == [0, 1, 2, 3, 4]


async def test_marks_of_seen_updates_outlast_the_log(nurture: AsyncEngine) -> None:
    assert REMEMBER_DAYS >= 2 * EVENT_RETENTION_DAYS
    seen = "INSERT INTO seen_updates (id, seen_at) VALUES (:id, now() - make_interval(days => :days))"
    ages = {0: 0, 1: 3, 2: EVENT_RETENTION_DAYS + 7, 3: REMEMBER_DAYS - 1, 4: REMEMBER_DAYS + 1}
    async with nurture.begin() as conn:
        await conn.execute(sa.text(seen), [{"id": UUID(int=n), "days": days} for n, days in ages.items()])
        assert await retention.drop(conn, "seen_updates", older_than_days=REMEMBER_DAYS, most=9) == 1
        assert (await open_batch(conn, [UUID(int=n) for n in ages], ())).fresh == {UUID(int=4)}


async def test_a_mark_that_came_to_nothing_can_be_taken_back(nurture: AsyncEngine) -> None:
    one, other = UUID(int=1), UUID(int=2)
    async with nurture.begin() as conn:
        await open_batch(conn, [one, other], ())
        await enrolments.unseen(conn, [one])
        assert (await open_batch(conn, [one, other], ())).fresh == {one}
