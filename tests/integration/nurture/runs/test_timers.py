"""Timers on Postgres alone: what is due is worked off, counted, and no kind stops another."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.nurture.channels.channel import Rep
from services.nurture.config import Endpoints
from services.nurture.runs.ends import Ends
from services.nurture.runs.news import News
from services.nurture.runs.timers import Timers
from tests.support.enrolling import FACTS, ONCE, RUN, House, Process
from tests.support.nurture_service import a_contact, an_update

TASK = ONCE | {"steps": [{"send": {"task": "call", "deadline": "30m", "fallback": {"webhook": "crm"}}}]}
LATE = ONCE | {"steps": [{"send": {"webhook": "nobody", "deadline": "30m", "fallback": {"webhook": "crm"}}}]}
MINUTE = timedelta(minutes=1)
WAIT = ONCE | {"steps": [{"wait": {"for": "30m"}}, {"send": {"webhook": "nudge"}}]}


class Clocks:
    """The timers of a process that waits for no news."""

    def __init__(self, house: House, process: Process) -> None:
        self.house = house
        self.sendable: set[str] = set()
        news = News(
            house.engine, Ends("127.0.0.1:9", client_id="test"), "updates", process.metrics, longest=timedelta(0)
        )
        self.timers = Timers(
            house.engine,
            process.versions,
            Endpoints({"task": {"ana": Rep("ana", "ana@example.org")}}),
            FACTS,
            process.metrics,
            news,
            on_sendable=self.sendable.update,
        )

    async def look(self) -> tuple[bool, float | None]:
        return await self.timers._look()

    async def all(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.house.engine.begin() as conn:
            result = await conn.execute(sa.text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []


async def clocks(house: House, *workflows: dict[str, Any], contacts: int = 1) -> tuple[Clocks, Process]:
    """With runs begun, and a first look: only from then on time counts."""
    named = [each | {"workflow": f"{each['workflow']}-{n}"} for n, each in enumerate(workflows)]
    process = await house.process(*named)
    await process.settles(*[an_update(a_contact()) for _ in range(contacts)])
    made = Clocks(house, process)
    await made.look()
    return made, process


async def test_nothing_is_judged_before_the_news_is_known(house: House) -> None:
    process = await house.process(WAIT)
    await process.settles(an_update(a_contact()))
    late = Clocks(house, process)
    await house.make_due(MINUTE)
    await late.look()
    assert await late.all("SELECT status FROM enrolments") == [("active",)]
    await late.look()
    assert await late.all("SELECT status FROM enrolments") == [("completed",)]


async def test_a_wait_that_is_over_goes_on_and_says_how_late_it_was(house: House) -> None:
    timers, process = await clocks(house, WAIT)
    _, next_in_s = await timers.look()
    assert next_in_s is not None
    assert 1700 < next_in_s <= 1800
    await house.make_due(MINUTE)
    more, next_in_s = await timers.look()
    assert not more
    assert next_in_s is not None
    assert next_in_s <= -60
    assert timers.sendable == {"nudge"}
    lag = process.sample("firsthour_nurture_timer_lag_seconds")
    assert lag is not None
    assert lag >= 60
    await timers.look()
    assert process.sample("firsthour_nurture_timer_lag_seconds") == 0


async def test_a_clock_that_ran_out_is_counted_once(house: House) -> None:
    timers, process = await clocks(house, RUN, contacts=3)
    await timers.all("UPDATE enrolments SET window_closes_at = now() - interval '1 s'")
    for _ in range(2):
        await timers.look()
        assert process.sample("firsthour_nurture_windows_missed_total", workflow="first-hour-0") == 3


@pytest.mark.parametrize(("workflow", "table"), [(TASK, "tasks"), (LATE, "deliveries")])
async def test_what_was_not_done_in_time_says_so_and_falls_back(
    house: House, workflow: dict[str, Any], table: str
) -> None:
    timers, _ = await clocks(house, workflow)
    await timers.all(f"UPDATE {table} SET expires_at = now() + interval '1 h'")
    await timers.look()
    assert timers.sendable == set()
    await timers.all(f"UPDATE {table} SET expires_at = now()")
    await timers.look()
    assert await timers.all(f"SELECT state FROM {table} WHERE state = 'expired'") == [("expired",)]
    assert timers.sendable == {"crm"}
    facts = await timers.all("SELECT convert_from(value, 'UTF8')::jsonb ->> 'type' FROM facts ORDER BY id")
    assert sorted(fact for (fact,) in facts) == ["followup.expired", "followup.scheduled", "followup.scheduled"]


async def test_a_kind_that_fails_is_missed_and_stops_no_other(house: House) -> None:
    timers, process = await clocks(house, TASK, LATE)
    await timers.all("UPDATE tasks SET expires_at = now()")
    await timers.all("ALTER TABLE tasks ADD CONSTRAINT broken CHECK (state <> 'expired' AND parked_reason IS NULL)")
    await timers.look()
    assert timers.timers.missing() == ["nurture: tasks that are due cannot be worked off"]
    assert process.sample("firsthour_nurture_timer_failures_total", kind="tasks") == 1
    await timers.all("UPDATE deliveries SET expires_at = now()")
    await timers.look()
    assert await timers.all("SELECT state FROM deliveries ORDER BY created_at LIMIT 1") == [("expired",)]
    await timers.all("ALTER TABLE tasks DROP CONSTRAINT broken")
    await timers.look()
    assert timers.timers.missing() == []
    assert await timers.all("SELECT state FROM tasks") == [("expired",)]


async def test_of_many_rows_each_one_that_raises_is_parked_and_what_came_of_the_others_is_told(house: House) -> None:
    timers, process = await clocks(house, WAIT, contacts=9)
    await house.make_due(MINUTE)
    bad = "SELECT id FROM enrolments ORDER BY id OFFSET 3 LIMIT 2"
    await timers.all(f"UPDATE enrolments SET document = '{{}}' WHERE id IN ({bad})")
    await timers.look()
    assert timers.sendable == {"nudge"}
    assert await timers.all("SELECT count(*) FROM enrolments WHERE status = 'completed'") == [(7,)]
    assert await timers.all(
        "SELECT id FROM enrolments WHERE parked_reason IS NOT NULL ORDER BY id"
    ) == await timers.all(bad)
    await timers.timers._transact("count", timers.timers._count_parked)
    assert process.sample("firsthour_nurture_parked", kind="enrolments") == 2


@pytest.mark.parametrize("good", ["first", "last"])
async def test_one_that_can_be_written_among_many_that_cannot_is_done_and_told(house: House, good: str) -> None:
    timers, _ = await clocks(house, WAIT, contacts=9)
    await house.make_due(MINUTE)
    await timers.all(
        "UPDATE enrolments AS e SET due_at = now() - make_interval(secs => 60 - n.number) "
        "FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM enrolments) AS n WHERE n.id = e.id"
    )
    order = "ASC" if good == "first" else "DESC"
    ((one,),) = await timers.all(f"SELECT id FROM enrolments ORDER BY id {order} LIMIT 1")
    await timers.all(f"ALTER TABLE enrolments ADD CHECK (status = 'active' OR id = '{one}')")
    await timers.look()
    assert timers.timers.missing() == []
    assert timers.sendable == {"nudge"}
    assert await timers.all("SELECT id FROM enrolments WHERE status = 'completed'") == [(one,)]
    reasons = await timers.all("SELECT parked_reason FROM enrolments WHERE status = 'active'")
    assert len(reasons) == 8
    assert all(reason.startswith("CheckViolationError in ") for (reason,) in reasons)
