"""What is old goes, and what it came to stays: bookings sum as before, and no copy that can still come is counted."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.retention import drops
from services.scoring.settings import LEAST_DAYS, ScoringSettings
from services.scoring.store import retention
from services.scoring.store.contacts import batch, finding
from services.scoring.store.contacts.batch import BookingRow, EventRow, UpdateRow
from shared.clock import utc_now
from shared.db.engine import make_engine
from shared.db.retention import drop_old, keep_to
from shared.db.tables import dead_letters
from shared.db.tables.dead_letters import DeadLetterRow
from shared.kafka.topics import DEAD_LETTER_RETENTION_DAYS, Topics
from tests.support.waiting import until
from tests.unit.scoring.builders import a_contact

DAYS = 400
DROPS = drops(ScoringSettings())
SUMS = "SELECT contact_id, account, factor, sum(amount) FROM bookings GROUP BY 1, 2, 3 HAVING sum(amount) <> 0"


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="scoring")
    yield engine
    await engine.dispose()


async def rows(engine: AsyncEngine, sql: str) -> list[tuple[object, ...]]:
    async with engine.begin() as conn:
        return [tuple(row) for row in await conn.execute(sa.text(sql))]


async def change(engine: AsyncEngine, sql: str) -> None:
    async with engine.begin() as conn:
        await conn.execute(sa.text(sql))


async def histories(engine: AsyncEngine, dice: random.Random, *, people: int, events: int) -> None:
    """Contacts with events of any age, several bookings each, and bookings of no event; some about nobody."""
    now = utc_now()
    contacts = [a_contact(n, version=1) for n in range(people)]
    told, booked = [], []
    for n in range(events):
        whose = dice.choice([None, *contacts])
        event = UUID(int=n + 1)
        stored = dice.random() < 0.8
        if stored:
            told.append(EventRow(event, whose.id if whose else None, "t", now, "events", 0, n, b"{}"))
        booked += [
            BookingRow(whose.id, event, line, account, dice.choice(["time", "traits", "merge"]), amount, "m", now)
            for line in range(dice.randrange(4) if whose else 0)
            for account in [dice.choice(["lead", "customer"])]
            if whose is not None and (amount := dice.choice([-5, -1, 1, 5, 10**15]))
        ]
    async with engine.begin() as conn:
        await conn.execute(sa.text("SELECT 1"))
        await batch.insert_contacts(conn, contacts, now)
        await batch.insert_events(conn, told)
        await batch.insert_bookings(conn, booked)
        await age(conn, "UPDATE events SET stored_at = now() - :age WHERE id = :id", dice, [(e.id, 0) for e in told])
        lines = [(b.event_id, b.line) for b in booked]
        await age(conn, "UPDATE bookings SET time = now() - :age WHERE event_id = :id AND line = :line", dice, lines)


async def age(conn: AsyncConnection, sql: str, dice: random.Random, lines: list[tuple[UUID, int]]) -> None:
    """Give each an age of up to 800 days: half a day off, so that none comes of age while the test looks."""
    ages = (timedelta(days=dice.randrange(800), hours=12) for _ in lines)
    values = [{"id": event, "line": line, "age": old} for (event, line), old in zip(lines, ages, strict=True)]
    await conn.execute(sa.text(sql).bindparams(sa.bindparam("age", type_=sa.Interval)), values)


@pytest.mark.parametrize("seed", range(5))
async def test_bookings_sum_as_before_when_their_events_are_gone(engine: AsyncEngine, seed: int) -> None:
    await histories(engine, random.Random(seed), people=20, events=400)
    before = sorted(await rows(engine, SUMS))
    kept = sorted(await rows(engine, "SELECT id FROM events WHERE stored_at >= now() - interval '400 days'"))
    # Nobody is looked at of whom no event goes: what is booked without one has a bounded number of rows.
    stay = sorted(
        await rows(
            engine,
            "SELECT b.* FROM bookings b LEFT JOIN events e ON e.id = b.event_id "
            "WHERE e.stored_at >= now() - interval '400 days' OR (e.id IS NULL AND ("
            "    b.time >= now() - interval '400 days' OR NOT EXISTS (SELECT FROM events AS o "
            "        WHERE o.contact_id = b.contact_id AND o.stored_at < now() - interval '400 days')))",
        )
    )
    dropped = await drop_old(engine, DROPS, most=37)
    assert dropped["events"] > 37
    assert sorted(await rows(engine, "SELECT id FROM events")) == kept
    assert sorted(await rows(engine, SUMS)) == before
    assert sorted(await rows(engine, "SELECT * FROM bookings WHERE model = 'm'")) == stay
    assert await rows(engine, "SELECT 1 FROM bookings WHERE model <> 'm' GROUP BY contact_id, account, factor "
                              "HAVING count(*) > 1") == []  # fmt: skip

    await change(engine, "UPDATE events SET stored_at = now() - interval '401 days'")
    await change(engine, "UPDATE bookings SET time = now() - interval '401 days'")
    concerned = [contact for (contact,) in await rows(engine, "SELECT DISTINCT contact_id FROM events") if contact]
    await drop_old(engine, DROPS)
    assert await rows(engine, "SELECT id FROM events") == []
    assert sorted(await rows(engine, SUMS)) == before
    booked = await rows(engine, "SELECT DISTINCT contact_id, model FROM bookings")
    assert {model for contact, model in booked if contact in concerned} == {retention.COMPACTED}


async def test_what_an_import_told_of_years_ago_is_kept_from_the_day_it_came(engine: AsyncEngine) -> None:
    long_ago = utc_now().replace(year=2015)
    async with engine.begin() as conn:
        await conn.execute(sa.text("SELECT 1"))
        await batch.insert_events(conn, [EventRow(UUID(int=1), None, "t", long_ago, "events", 0, 0, b"{}")])
    assert (await drop_old(engine, DROPS))["events"] == 0
    async with engine.begin() as conn:
        assert (await finding.find(conn, [UUID(int=1)], (), ())).events == {UUID(int=1)}


async def test_a_merge_at_the_same_moment_loses_nothing(engine: AsyncEngine) -> None:
    await histories(engine, random.Random(6), people=2, events=60)
    one, two = (a_contact(n).id for n in range(2))
    await change(engine, "UPDATE events SET stored_at = now() - interval '500 days'")
    total = "SELECT account, factor, sum(amount) FROM bookings GROUP BY 1, 2 HAVING sum(amount) <> 0"
    before = sorted(await rows(engine, total))
    async with engine.begin() as conn:
        await batch.lock_contacts(conn, [one, two])
        dropping = asyncio.create_task(drop_old(engine, {"events": DROPS["events"]}))

        async def waits() -> bool:
            return await rows(engine, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                      "AND datname = current_database()") != []  # fmt: skip

        await until(waits, 30)
        await batch.merge(conn, {two: one})
    await dropping
    await drop_old(engine, DROPS)  # what had moved
    assert await rows(engine, "SELECT id FROM events") == []
    assert sorted(await rows(engine, total)) == before
    assert await rows(engine, "SELECT DISTINCT contact_id FROM bookings") == [(one,)]


async def test_updates_go_once_they_are_published_also_where_nothing_comes_behind(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        await conn.execute(sa.text("INSERT INTO consumer_offsets VALUES ('events', 0, 4, 2), ('events', 1, 4, 4)"))
        told = [UpdateRow("events", partition, offset, b"u") for partition in (0, 1) for offset in (2, 3)]
        await batch.insert_updates(conn, told)
        await batch.insert_updates(conn, [UpdateRow("events", 0, offset, b"u") for offset in (0, 1)])
    assert (await drop_old(engine, DROPS, most=1))["updates"] == 4
    assert await rows(engine, 'SELECT partition, "offset" FROM updates ORDER BY 1, 2') == [(0, 2), (0, 3)]


async def test_dead_letters_go_with_their_topic(engine: AsyncEngine) -> None:
    now = utc_now()
    letters = [DeadLetterRow("events", 3, n, None, b"", "permanent", "P", "", "shop", 1, now, now) for n in (0, 1)]
    async with engine.begin() as conn:
        await dead_letters.insert(conn, letters)
        await conn.execute(
            sa.text('UPDATE dead_letters SET failed_at = now() - make_interval(days => :days + CAST("offset" AS int))'),
            {"days": DEAD_LETTER_RETENTION_DAYS},
        )
        await conn.execute(sa.text("UPDATE dead_letters SET failed_at = failed_at + interval '1 minute'"))
    assert (await drop_old(engine, DROPS))["dead_letters"] == 1
    assert await rows(engine, 'SELECT "offset" FROM dead_letters') == [(0,)]


async def test_a_kind_that_cannot_be_dropped_stops_no_other(engine: AsyncEngine) -> None:
    stopping = asyncio.Event()

    async def broken(_conn: object, _most: int) -> int:
        raise ValueError

    async def other(_conn: object, _most: int) -> int:
        stopping.set()
        return 0

    async with asyncio.timeout(30):
        await keep_to(engine, {"broken": broken, "other": other}, stopping)


def test_an_event_is_known_as_long_as_a_copy_of_it_can_come() -> None:
    topics = Topics("")
    longest = max(topics.retention_days()[name] for name in (topics.events, topics.events_bulk))
    assert longest < LEAST_DAYS <= ScoringSettings().scoring_keep_events_days == DAYS
    with pytest.raises(ValueError, match="scoring_keep_events_days"):
        ScoringSettings(scoring_keep_events_days=LEAST_DAYS - 1)
