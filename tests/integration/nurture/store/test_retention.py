"""What is old goes, what is new or still to be done stays, and lists find what a person looks for by an index."""

from collections.abc import AsyncIterator

import pytest

from services.nurture.deliveries.attempts import Attempted, judged, record
from services.nurture.domain.deliveries.retry import Accepted, Answered, Outcome
from services.nurture.retention import REMEMBER_DAYS, drops, kept_days
from services.nurture.settings import NurtureSettings
from services.nurture.store import lists
from services.nurture.store.lists import Page
from shared.clock import utc_now
from shared.db.retention import drop_old
from shared.kafka.topics import Topics
from tests.support.deliveries import FACTS, NOBODY, Rows, rows_of

_SETTINGS = NurtureSettings()
_PAGE = Page(100, None)
_KEPT = drops(_SETTINGS)
_TABLES = ("enrolments", "deliveries", "attempts", "tasks", "seen_updates", "mail_counts")

_NONE = dict.fromkeys(
    ("attempts", "runs", "seen_updates", "mail_counts", "recent_events", "refusals", "dead_letters"), 0
)


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def _counts(rows: Rows) -> dict[str, int]:
    return {table: await rows.one(f"SELECT count(*) FROM {table}") for table in _TABLES}


async def _try(rows: Rows, outcome: Outcome, excerpt: str | None = None) -> None:
    """One attempt of everything that is due."""
    now = utc_now()
    attempted = [Attempted(given, now, now, outcome, 200, excerpt) for given in await rows.claim()]
    async with rows.engine.begin() as conn:
        await record(conn, judged(attempted, NOBODY, lambda: 0.0), endpoints=NOBODY, facts=FACTS)


async def test_only_what_is_old_and_done_goes(rows: Rows) -> None:
    await rows.add(3)
    await _try(rows, Accepted())
    await rows.add()  # ended long ago, and still not sent
    await rows.all("INSERT INTO seen_updates VALUES (gen_random_uuid()), (gen_random_uuid())")
    await rows.all("INSERT INTO mail_counts VALUES (current_date, 'domain', 'x', 1)")
    assert set((await drop_old(rows.engine, _KEPT)).values()) == {0}

    await rows.all(
        "UPDATE enrolments SET ended_at = now() - interval '401 days' WHERE id NOT IN "
        "(SELECT enrolment_id FROM deliveries WHERE state = 'delivered' ORDER BY id LIMIT 1)"
    )
    await rows.all("UPDATE seen_updates SET seen_at = now() - interval '59 days'")
    await rows.all("UPDATE mail_counts SET day = day - 3")
    dropped = await drop_old(rows.engine, _KEPT, most=1)  # so that it takes several batches
    assert dropped == _NONE | {"runs": 2, "mail_counts": 1}
    assert await _counts(rows) == {
        "enrolments": 2, "deliveries": 2, "attempts": 1, "tasks": 0, "seen_updates": 2, "mail_counts": 0,
    }  # fmt: skip

    await rows.all("UPDATE attempts SET finished_at = now() - interval '31 days'")
    await rows.all("UPDATE seen_updates SET seen_at = now() - interval '61 days'")
    dropped = await drop_old(rows.engine, _KEPT)
    assert dropped == _NONE | {"attempts": 1, "seen_updates": 2}


async def test_what_lately_happened_and_what_was_refused_is_forgotten(rows: Rows) -> None:
    ages = {"recent_events": ("happened_at", 1), "refusals": ("refused_at", 30)}
    await rows.all(
        "INSERT INTO recent_events (id, contact_id, type, happened_at, event) "
        "SELECT gen_random_uuid(), gen_random_uuid(), 'purchase.completed', now(), '' FROM generate_series(1, 3)"
    )
    await rows.all(
        "INSERT INTO refusals (id, event_id, contact_id, workflow, reason, happened_at, told) SELECT gen_random_uuid(),"
        " gen_random_uuid(), gen_random_uuid(), 'w', 'reentry', now(), false FROM generate_series(1, 3)"
    )
    for table, (column, days) in ages.items():
        oldest = f"(SELECT id FROM {table} ORDER BY id LIMIT 2)"
        for younger, gone in (("1 minute", 0), ("-1 minute", 2)):
            since = f"now() - interval '{days} days' + interval '{younger}'"
            await rows.all(f"UPDATE {table} SET {column} = {since} WHERE id IN {oldest}")
            assert await drop_old(rows.engine, _KEPT, most=1) == _NONE | {table: gone}
        assert await rows.one(f"SELECT count(*) FROM {table}") == 1


async def test_a_run_whose_task_is_open_stays(rows: Rows) -> None:
    await rows.add(task="call")
    await rows.all("UPDATE enrolments SET ended_at = now() - interval '500 days'")
    assert (await drop_old(rows.engine, _KEPT))["runs"] == 0
    await rows.all("UPDATE tasks SET state = 'cancelled', finished_at = now()")
    assert (await drop_old(rows.engine, _KEPT))["runs"] == 1
    assert set((await _counts(rows)).values()) == {0}


async def test_little_is_kept_of_an_answer(rows: Rows) -> None:
    await rows.add()
    await _try(rows, Answered(500), "ä" * 5000)
    assert await rows.one("SELECT excerpt FROM attempts") == "ä" * 200


def test_a_copy_of_an_update_finds_its_mark_as_long_as_one_can_come() -> None:
    topics = Topics("")
    longest = max(topics.retention_days()[name] for name in (topics.updates, topics.updates_bulk))
    assert longest < REMEMBER_DAYS == kept_days(_SETTINGS)["seen_updates"]


@pytest.mark.parametrize(
    ("index", "statement"),
    [
        ("tasks_open", lambda conn: lists.tasks(conn, _PAGE, state="open")),
        ("tasks_expired", lambda conn: lists.tasks(conn, _PAGE, state="expired")),
        ("deliveries_failed", lambda conn: lists.deliveries(conn, _PAGE, state="failed")),
        ("deliveries_expired", lambda conn: lists.deliveries(conn, _PAGE, state="expired")),
        ("enrolments_missed", lambda conn: lists.windows(conn, _PAGE, "missed")),
        ("enrolments_open_window", lambda conn: lists.windows(conn, _PAGE, "open")),
    ],
)
async def test_what_a_person_looks_for_is_found_by_its_own_index(rows: Rows, index: str, statement: object) -> None:
    assert callable(statement)
    async with rows.engine.begin() as conn:
        await conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for _ in range(8):  # more often than the server makes a plan for the values at hand
            await statement(conn)
        used = await conn.exec_driver_sql(f"SELECT pg_stat_get_xact_numscans('{index}'::regclass)")
        assert used.scalar_one() >= 8
