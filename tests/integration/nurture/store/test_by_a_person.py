"""What a person may change: a delivery that has ended is sent once more, a task is marked as done."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from services.nurture.store import lists
from services.nurture.store.deliveries import overdue
from tests.support.deliveries import Rows, rows_of


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def replayed(rows: Rows, one: UUID) -> str | None:
    async with rows.engine.begin() as conn:
        return await lists.replay(conn, one)


@pytest.mark.parametrize("state", ["delivered", "failed", "expired", "cancelled"])
async def test_what_is_replayed_is_due_now_has_all_its_tries_and_no_deadline(rows: Rows, state: str) -> None:
    one, other = await rows.add(2, webhook="crm", deadline="5m", fallback={"webhook": "other"})
    ended = (
        f"state = '{state}', finished_at = now(), attempts = 7, tries = 7, withdrawn = {state == 'cancelled'}, "
        "reason = 'answered 500', expires_at = now(), due_at = now() + interval '1 day'"
    )
    await rows.all(f"UPDATE deliveries SET {ended}")
    assert await replayed(rows, one) == "crm"
    async with rows.engine.begin() as conn:
        assert (await overdue.first_due(conn)).deliveries is None, "nobody ends it for being late"
    (given,) = await rows.claim()
    assert (given.id, given.attempts, given.tries) == (one, 7, 0)
    assert await rows.one("SELECT withdrawn FROM deliveries WHERE id = :id", id=one) is False
    assert await rows.one("SELECT state FROM deliveries WHERE id = :id", id=other) == state


async def test_what_is_under_way_or_was_tried_too_often_is_not_replayed(rows: Rows) -> None:
    claimed, waits, often = await rows.add(3)
    await rows.all("UPDATE deliveries SET due_at = now() - interval '1 minute' WHERE id = :id", id=claimed)
    await rows.claim(most=1)
    await rows.all(
        "UPDATE deliveries SET state = 'failed', finished_at = now(), attempts = 900 WHERE id = :id", id=often
    )
    for one in (claimed, waits, often):
        assert await replayed(rows, one) is None
    assert {row[0] for row in await rows.all("SELECT state FROM deliveries")} == {"claimed", "pending", "failed"}


async def test_a_task_is_done_once_also_when_it_was_late_and_by_the_first(rows: Rows) -> None:
    ids = await rows.add(3, task="call")
    for state, one in zip(("expired", "cancelled"), ids[1:], strict=True):
        await rows.all(f"UPDATE tasks SET state = '{state}', finished_at = now() WHERE id = :id", id=one)

    async def finished(one: UUID, who: str) -> bool:
        async with rows.engine.begin() as conn:
            done = await lists.finish_task(conn, one, who=who, outcome="reached", channel="phone", note=None)
        return done is not None

    assert [await finished(one, "ana") for one in ids] == [True, True, False]
    assert [await finished(one, "ben") for one in ids] == [False, False, False]
    found = await rows.all("SELECT state, done_by FROM tasks ORDER BY state, id")
    assert [tuple(row) for row in found] == [("cancelled", None), ("done", "ana"), ("done", "ana")]
