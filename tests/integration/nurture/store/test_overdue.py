"""What a timer finds: rows that wait and whose time is over, and no others."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from services.nurture.store import enrolments
from services.nurture.store.deliveries import overdue
from shared.clock import utc_now
from tests.support.deliveries import Rows, rows_of


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


PAST, NOW, LATER = utc_now() - timedelta(minutes=1), utc_now(), utc_now() + timedelta(hours=1)


async def expired(rows: Rows, *, tasks: bool = False, until: object = LATER, most: int = 10) -> set[UUID]:
    find = overdue.expired_tasks if tasks else overdue.expired
    async with rows.engine.begin() as conn:
        return {late.id for late in await find(conn, until, most=most)}  # type: ignore[arg-type]


async def found(rows: Rows) -> frozenset[str]:
    async with rows.engine.begin() as conn:
        return (await overdue.first_due(conn)).overdue()


async def test_only_a_delivery_that_still_waits_expires(rows: Rows) -> None:
    ids = await rows.add(6, webhook="crm", deadline="5m", fallback={"webhook": "other"})
    claimed = "claimed_at = now(), lease_until = now(), lease_token = gen_random_uuid(), leased_by = 'one'"
    for one, state in zip(ids, ("pending", "claimed", "delivered", "failed", "expired", "cancelled"), strict=True):
        rest = {"pending": "reason = NULL", "claimed": claimed}.get(
            state, "finished_at = now(), attempts = 1, tries = 1"
        )
        await rows.all(f"UPDATE deliveries SET state = '{state}', {rest} WHERE id = :id", id=one)
    assert (await found(rows), await expired(rows)) == (frozenset(), set()), "there is time left"
    await rows.all("UPDATE deliveries SET expires_at = :past", past=PAST)
    assert await found(rows) == {"deliveries"}
    assert await expired(rows) == {ids[0]}
    assert await expired(rows, until=PAST - timedelta(seconds=1)) == set(), "what happened until then is not known yet"
    assert await expired(rows, until=PAST) == {ids[0]}


async def test_only_a_task_that_is_open_expires(rows: Rows) -> None:
    ids = await rows.add(4, task="call", deadline="5m", fallback={"webhook": "other"})
    for one, state in zip(ids, ("open", "done", "expired", "cancelled"), strict=True):
        done = ", done_by = 'ana'" if state == "done" else ""
        ended = "" if state == "open" else f", finished_at = now() {done}"
        await rows.all(f"UPDATE tasks SET state = '{state}' {ended} WHERE id = :id", id=one)
    assert (await found(rows), await expired(rows, tasks=True)) == (frozenset(), set()), "there is time left"
    await rows.all("UPDATE tasks SET expires_at = :past", past=PAST)
    assert await found(rows) == {"tasks"}
    assert await expired(rows, tasks=True) == {ids[0]}
    assert await expired(rows, tasks=True, until=PAST - timedelta(seconds=1)) == set()
    await rows.all("UPDATE tasks SET parked_reason = 'a fault'")
    assert (await found(rows), await expired(rows, tasks=True)) == (frozenset(), set()), "a person looks at it first"


async def test_those_that_ended_first_are_found_first_up_to_so_many(rows: Rows) -> None:
    ids = await rows.add(4, webhook="crm", deadline="5m")
    for minutes, one in enumerate(ids, 1):
        at = NOW - timedelta(minutes=minutes)
        await rows.all("UPDATE deliveries SET expires_at = :at WHERE id = :id", at=at, id=one)
    assert await expired(rows, most=2) == {ids[3], ids[2]}


async def test_what_another_process_has_locked_is_left_to_it(rows: Rows) -> None:
    one, other = await rows.add(2, webhook="crm", deadline="5m")
    await rows.all("UPDATE deliveries SET expires_at = :past", past=PAST)
    async with rows.engine.begin() as conn:
        await conn.exec_driver_sql(f"SELECT FROM deliveries WHERE id = '{one}' FOR UPDATE")
        assert await expired(rows) == {other}


async def runs_of(rows: Rows, count: int) -> list[UUID]:
    """Active runs that wait until an hour from now."""
    await rows.add(count)
    active = "status = 'active', listens = true, ended_at = NULL, due_at = now() + interval '1 hour'"
    return sorted(row[0] for row in await rows.all(f"UPDATE enrolments SET {active} RETURNING id"))


async def test_only_a_wait_that_is_over_goes_on_and_the_longest_overdue_first(rows: Rows) -> None:
    async def due(*, until: datetime = LATER, most: int = 10) -> list[UUID]:
        async with rows.engine.begin() as conn:
            return [each.id for each in await enrolments.lock_due(conn, until, most=most)]

    newer, older, parked, waits = await runs_of(rows, 4)
    assert (await found(rows), await due()) == (frozenset(), [])
    await rows.all("UPDATE enrolments SET due_at = :at, parked_reason = 'a fault' WHERE id = :id", at=PAST, id=parked)
    assert (await found(rows), await due()) == (frozenset(), []), "nobody looks for it again and again"
    for one, at in ((newer, PAST), (older, PAST - timedelta(hours=1))):
        await rows.all("UPDATE enrolments SET due_at = :at WHERE id = :id", at=at, id=one)
    assert await found(rows) == {"enrolments"}
    assert await due() == [older, newer]
    assert (await due(most=1), await due(until=PAST - timedelta(minutes=1))) == ([older], [older])
    assert await due(until=PAST - timedelta(hours=2)) == [], "what happened until then is not known yet"
    async with rows.engine.begin() as conn:
        await conn.exec_driver_sql(f"SELECT FROM enrolments WHERE id = '{older}' FOR UPDATE")
        assert await due() == [newer], "another process is at it"
    assert await rows.one("SELECT count(*) FROM enrolments WHERE due_at > now() AND id = :id", id=waits) == 1


async def test_only_a_clock_that_ran_out_with_nobody_in_touch_is_missed_and_once(rows: Rows) -> None:
    async def missed(until: datetime = LATER) -> list[str]:
        async with rows.engine.begin() as conn:
            return await enrolments.miss_windows(conn, until, most=10)

    waits, over, stopped, _without = await runs_of(rows, 4)
    opened = "window_opened_at = now() - interval '1 hour', window_closes_at = now() + interval '1 minute'"
    for one in (waits, over, stopped):
        await rows.all(f"UPDATE enrolments SET {opened} WHERE id = :id", id=one)
    assert (await found(rows), await missed()) == (frozenset(), []), "there is time left"
    stops = "window_stopped_at = now(), window_stopped_by = 'ana'"
    await rows.all(f"UPDATE enrolments SET window_closes_at = :at, {stops} WHERE id = :id", at=PAST, id=stopped)
    assert (await found(rows), await missed()) == (frozenset(), []), "somebody got in touch"
    await rows.all("UPDATE enrolments SET window_closes_at = :at WHERE id = :id", at=PAST, id=over)
    assert await found(rows) == {"windows"}
    assert await missed(PAST - timedelta(seconds=1)) == [], "what happened until then is not known yet"
    assert await missed() == ["sample"]
    assert (await found(rows), await missed()) == (frozenset(), [])


async def test_a_restart_tries_what_was_parked_again_but_no_mail_that_may_have_gone(rows: Rows) -> None:
    new, repeated = await rows.add(2)
    unsent, may_have_gone = await rows.add(2, email="thanks")
    tried = "attempts = 1, tries = 1"
    for one in (repeated, may_have_gone):
        await rows.all(f"UPDATE deliveries SET {tried} WHERE id = :id", id=one)
    await rows.add(task="call")
    await rows.all("UPDATE tasks SET parked_reason = 'a fault'")
    await runs_of(rows, 1)
    await rows.all("UPDATE enrolments SET parked_reason = 'a fault'")
    async with rows.engine.begin() as conn:
        await overdue.park_deliveries(conn, dict.fromkeys((new, repeated, unsent, may_have_gone), "a fault"))
        assert await overdue.parked(conn) == {"enrolments": 6, "deliveries": 4, "tasks": 1}
        assert await overdue.try_again(conn) == 6 + 3 + 1
        assert await overdue.parked(conn) == {"enrolments": 0, "deliveries": 1, "tasks": 0}
        assert await overdue.try_again(conn) == 0
    assert {new, repeated} <= {each.id for each in await rows.claim()}
    assert await rows.one("SELECT id FROM deliveries WHERE state = 'parked'") == may_have_gone


async def test_what_is_claimed_meanwhile_is_not_parked(rows: Rows) -> None:
    one, other = await rows.add(2)
    await rows.all("UPDATE deliveries SET due_at = now() - interval '1 minute' WHERE id = :id", id=one)
    await rows.claim(most=1)
    async with rows.engine.begin() as conn:
        await overdue.park_deliveries(conn, {one: "a fault", other: "a fault"})
    assert dict(await rows.all("SELECT id, state FROM deliveries")) == {one: "claimed", other: "parked"}
