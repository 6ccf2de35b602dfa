"""Tasks: whose turn it is, which are closed or cancelled, and which are given to another rep."""

from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import pytest

from services.nurture.store.deliveries import deliveries
from tests.support.deliveries import Rows, rows_of


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def run_of(rows: Rows, task: UUID) -> UUID:
    found: UUID = await rows.one("SELECT enrolment_id FROM tasks WHERE id = :id", id=task)
    return found


async def with_states(rows: Rows) -> dict[str, UUID]:
    """A task in each state, each of another run, of `ana`."""
    ids = await rows.add(4, task="call")
    tasks = dict(zip(("open", "done", "expired", "cancelled"), ids, strict=True))
    await rows.all("UPDATE tasks SET rep = 'ana'")
    for state, one in tasks.items():
        done = ", done_by = 'ben'" if state == "done" else ""
        if state != "open":
            await rows.all(f"UPDATE tasks SET state = '{state}', finished_at = now() {done} WHERE id = :id", id=one)
    return tasks


async def states(rows: Rows, tasks: Mapping[str, UUID]) -> dict[str, tuple[str, str | None]]:
    found = {row.id: (row.state, row.done_by) for row in await rows.all("SELECT id, state, done_by FROM tasks")}
    return {before: found[one] for before, one in tasks.items()}


async def test_turns_go_on_where_the_last_batch_ended(rows: Rows) -> None:
    one, other = ("first-hour", "0"), ("first-hour", "1")
    for counts, before in (
        ({one: 2, other: 1}, {one: 0, other: 0}),
        ({other: 3, one: 1}, {one: 2, other: 1}),
        ({one: 1}, {one: 3}),
    ):
        async with rows.engine.begin() as conn:
            assert await deliveries.take_turns(conn, counts) == before


async def test_what_is_done_is_done_by_whoever_did_it(rows: Rows) -> None:
    tasks = await with_states(rows)
    kept = {"done": ("done", "ben"), "expired": ("expired", None), "cancelled": ("cancelled", None)}
    async with rows.engine.begin() as conn:
        await deliveries.close_tasks(conn, {await run_of(rows, one): "eva" for one in tasks.values()})
    assert await states(rows, tasks) == {"open": ("done", "eva")} | kept
    tasks = await with_states(rows)
    async with rows.engine.begin() as conn:
        await deliveries.cancel(conn, [await run_of(rows, one) for one in tasks.values()])
    assert await states(rows, tasks) == {"open": ("cancelled", None)} | kept


async def test_a_touch_cancels_what_a_rep_is_told_of_and_not_what_the_contact_gets(rows: Rows) -> None:
    notice, webhook = await rows.add(2)
    await rows.all(
        "UPDATE deliveries SET rep = 'ana', channel = 'email', endpoint = 'email:smtp' WHERE id = :id", id=notice
    )
    runs = await rows.all("SELECT enrolment_id FROM deliveries")
    async with rows.engine.begin() as conn:
        await deliveries.close_tasks(conn, {row[0]: "eva" for row in runs})
    assert dict(await rows.all("SELECT id, state FROM deliveries")) == {notice: "cancelled", webhook: "pending"}


async def test_what_a_run_has_parked_is_cancelled_with_it(rows: Rows) -> None:
    parked, other = await rows.add(2)
    await rows.all("UPDATE deliveries SET state = 'parked', reason = 'a fault'")
    await rows.withdraw(parked)
    assert dict(await rows.all("SELECT id, state FROM deliveries")) == {parked: "cancelled", other: "parked"}


async def test_only_the_open_tasks_of_reps_that_are_gone_go_to_others_and_each_to_its_own(rows: Rows) -> None:
    first, second = await with_states(rows), await with_states(rows)
    await rows.all("UPDATE tasks SET rep = 'ben' WHERE id = :id", id=second["open"])
    async with rows.engine.begin() as conn:
        assert [each.id for each in await deliveries.tasks_of_others(conn, ["ben"])] == [first["open"]]
        assert {each.id for each in await deliveries.tasks_of_others(conn, [])} == {first["open"], second["open"]}
        await deliveries.give_tasks(conn, {first["open"]: "eva"})
    reps = dict(await rows.all("SELECT id, rep FROM tasks WHERE state = 'open'"))
    assert reps == {first["open"]: "eva", second["open"]: "ben"}
    assert await rows.one("SELECT count(*) FROM tasks WHERE rep = 'ana'") == 6, "what is done keeps who had it"
