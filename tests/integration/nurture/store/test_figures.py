"""What Postgres knows of nurture's work reaches `/metrics` by the rollup, and by no scrape."""

import asyncio
from datetime import timedelta

import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.figures import look
from shared.clock import utc_now
from shared.db.engine import make_engine
from shared.db.rollup import Rollup
from tests.support.deliveries import rows_of
from tests.support.waiting import until


async def figures(engine: AsyncEngine) -> CollectorRegistry:
    """After one look."""
    registry = CollectorRegistry()
    taking = look(registry, endpoints={"crm", "idle"}, workflows={"quiet"})
    async with engine.connect() as conn:
        await taking(conn)
    return registry


async def test_what_is_due_and_how_old_it_is(database: str) -> None:
    async with rows_of(database) as rows:
        await rows.add(3)
        await rows.all("UPDATE deliveries SET due_at = now() - interval '90 seconds'")
        await rows.claim(most=1)
        found = await figures(rows.engine)
    assert found.get_sample_value("firsthour_nurture_deliveries_due", {"endpoint": "crm"}) == 2
    assert found.get_sample_value("firsthour_nurture_deliveries_claimed") == 1
    oldest = found.get_sample_value("firsthour_nurture_delivery_oldest_due_seconds", {"endpoint": "crm"})
    assert oldest is not None
    assert 90 <= oldest < 150
    for name in ("deliveries_due", "delivery_oldest_due_seconds"):
        assert found.get_sample_value(f"firsthour_nurture_{name}", {"endpoint": "idle"}) == 0


async def test_windows_by_how_they_stand(database: str) -> None:
    async with rows_of(database) as rows:
        await rows.add(4)
        ids = [row[0] for row in await rows.all("SELECT id FROM enrolments ORDER BY id")]
        opened = "window_opened_at = now() - interval '50 minutes', window_closes_at = now() + interval '{}'"
        for run, minutes in zip(ids, ("60 minutes", "10 minutes", "10 minutes", "-10 minutes"), strict=True):
            await rows.all(f"UPDATE enrolments SET {opened.format(minutes)} WHERE id = :id", id=run)
        stop = (
            "UPDATE enrolments SET window_stopped_at = now(), window_stopped_by = 'ana', listens = false WHERE id = :id"
        )
        await rows.all(stop, id=ids[2])
        found = await figures(rows.engine)
    counts = {
        state: found.get_sample_value("firsthour_nurture_windows", {"workflow": "sample", "state": state})
        for state in ("open", "at_risk", "met", "missed")
    }
    assert counts == {"open": 1, "at_risk": 1, "met": 1, "missed": 1}
    assert found.get_sample_value("firsthour_nurture_windows", {"workflow": "quiet", "state": "open"}) == 0


async def test_a_look_writes_nothing_tells_its_age_and_one_that_fails_stops_no_other(database: str) -> None:
    engine = make_engine(database, application="test", schema="nurture")
    registry = CollectorRegistry()
    looks: list[str] = []

    async def fails(_conn: object) -> None:
        looks.append("fails")
        raise ValueError("no figures")

    async def writes(conn: object) -> None:
        looks.append("writes")
        write = "INSERT INTO consumer_halts (lane, cause, reason) VALUES ('bulk', 'failures', '')"
        await conn.exec_driver_sql(write)  # type: ignore[attr-defined]

    stopping = asyncio.Event()
    slow = lambda: utc_now() - timedelta(minutes=1)  # noqa: E731 - this machine's clock
    rollup = asyncio.create_task(Rollup(engine, registry, fails, writes, clock=slow).run(stopping))
    try:
        await until(lambda: len(looks) == 2)
    finally:
        stopping.set()
        await rollup
    assert registry.get_sample_value("firsthour_rollup_timestamp_seconds") == 0
    offset = registry.get_sample_value("firsthour_database_clock_offset_seconds")
    assert offset is not None
    assert abs(offset - 60) < 5
    async with engine.connect() as conn:
        assert (await conn.execute(sa.text("SELECT count(*) FROM consumer_halts"))).scalar_one() == 0

    stopping.clear()
    registry = CollectorRegistry()
    taking = look(registry, endpoints=(), workflows=())
    rollup = asyncio.create_task(Rollup(engine, registry, taking).run(stopping))
    before = utc_now() - timedelta(seconds=1)
    try:
        await until(lambda: (registry.get_sample_value("firsthour_rollup_timestamp_seconds") or 0) > before.timestamp())
    finally:
        stopping.set()
        await rollup
        await engine.dispose()
    assert registry.get_sample_value("firsthour_database_connections", {"state": "limit"}) == 5
