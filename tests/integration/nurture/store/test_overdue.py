"""What a timer finds: rows that wait and whose time is over, and no others."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

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
