"""Of leads that started nothing: how many somebody was told of today, and who has the open task."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.nurture.domain.workflow import TASK, Target
from services.nurture.store import refusals
from services.nurture.store.refusals import OpenTask, Refusal
from shared.clock import new_id, utc_now
from tests.support.deliveries import Rows, rows_of


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def test_only_what_was_told_in_a_day_counts_by_workflow(rows: Rows) -> None:
    ada, ben = new_id(), new_id()
    refused = [
        Refusal(new_id(), new_id(), contact, workflow, "reentry", utc_now(), told)
        for contact, workflow, told in (
            (ada, "one", True), (ada, "one", True), (ada, "one", False), (ada, "other", True), (ben, "one", True),
        )
    ]  # fmt: skip
    async with rows.engine.begin() as conn:
        await refusals.insert(conn, refused)
        await refusals.insert(conn, refused)  # a batch that is repeated
        assert await refusals.told_today(conn, [ada]) == {(ada, "one"): 2, (ada, "other"): 1}
    for hours, told in ((23, {(ada, "one"): 2}), (25, {(ada, "one"): 1})):
        ago = timedelta(hours=hours)
        await rows.all(
            "UPDATE refusals SET refused_at = now() - CAST(:ago AS interval) WHERE id = :id", ago=ago, id=refused[0].id
        )
        async with rows.engine.begin() as conn:
            assert await refusals.told_today(conn, [ada]) == told | {(ada, "other"): 1}


async def test_the_newest_open_task_of_a_run_says_who_is_at_it(rows: Rows) -> None:
    older, newer, done = await rows.add(3, task="call")
    run = await rows.one("SELECT enrolment_id FROM tasks WHERE id = :id", id=older)
    for step, (one, rep) in enumerate(((older, "ana"), (newer, "ben"), (done, "eva"))):
        await rows.all(
            "UPDATE tasks SET enrolment_id = :run, step = :step, rep = :rep, created_at = now() + make_interval(secs => :s)"
            " WHERE id = :id",
            run=run, step=str(step), rep=rep, s=step, id=one,
        )  # fmt: skip
    await rows.all("UPDATE tasks SET state = 'cancelled', finished_at = now() WHERE id = :id", id=done)
    async with rows.engine.begin() as conn:
        assert await refusals.open_tasks(conn, [run]) == {run: OpenTask(Target(TASK, "call"), "ben")}
        await conn.exec_driver_sql("UPDATE tasks SET state = 'cancelled', finished_at = now()")
        assert await refusals.open_tasks(conn, [run]) == {}
