"""What a deliverer finds: rows that wait and are due, the longest due first, and nobody else's."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from services.nurture.store.deliveries import claims
from shared.clock import new_id
from tests.support.deliveries import Rows, rows_of


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def due(rows: Rows, ids: Sequence[UUID], *ago_s: float) -> None:
    """Each has been due for so many seconds; below 0: it is due in so many."""
    for one, seconds in zip(ids, ago_s, strict=True):
        ago = timedelta(seconds=seconds)
        await rows.all("UPDATE deliveries SET due_at = now() - CAST(:ago AS interval) WHERE id = :id", ago=ago, id=one)


async def delivered(rows: Rows, *ids: UUID) -> None:
    ended = "state = 'delivered', finished_at = now(), attempts = 1, tries = 1"
    for one in ids:
        await rows.all(f"UPDATE deliveries SET {ended} WHERE id = :id", id=one)


async def waiting(rows: Rows, *endpoints: str) -> dict[str, float]:
    async with rows.engine.begin() as conn:
        return await claims.waiting(conn, endpoints)


@pytest.mark.parametrize("lane", ["live", "bulk"])
async def test_what_is_not_due_yet_waits_beside_what_is(rows: Rows, lane: str) -> None:
    ids = await rows.add(3, lane=lane)  # type: ignore[arg-type]
    await due(rows, ids, -60, 5, -60)
    assert [one.id for one in await rows.claim()] == [ids[1]]
    assert await rows.claim() == []


@pytest.mark.parametrize("lane", ["live", "bulk"])
async def test_of_many_those_that_have_been_due_longest_are_claimed(rows: Rows, lane: str) -> None:
    ids = await rows.add(5, lane=lane)  # type: ignore[arg-type]
    await due(rows, ids, 10, 50, 30, 40, 20)
    assert {one.id for one in await rows.claim(most=2)} == {ids[1], ids[3]}
    assert {one.id for one in await rows.claim(most=2)} == {ids[2], ids[4]}


async def test_what_another_process_is_claiming_is_left_to_it(rows: Rows) -> None:
    one, other = await rows.add(2)
    async with rows.engine.begin() as conn:
        await conn.exec_driver_sql(f"SELECT FROM deliveries WHERE id = '{one}' FOR UPDATE")
        assert [each.id for each in await rows.claim()] == [other]
    assert [each.id for each in await rows.claim()] == [one]


async def test_a_queue_says_when_its_first_is_due_and_an_empty_one_nothing(rows: Rows) -> None:
    ids = await rows.add(3)
    await due(rows, ids, 500, 20, -60)
    await delivered(rows, ids[0])
    (bulk,) = await rows.add(lane="bulk")
    await due(rows, [bulk], 90)
    assert -100 < (await waiting(rows, "crm", "idle"))["crm"] <= -90, "of both lanes"
    await delivered(rows, bulk)
    assert set(await waiting(rows, "crm", "idle")) == {"crm"}
    assert -30 < (await waiting(rows, "crm"))["crm"] <= -20
    await rows.claim(most=1)
    assert 50 < (await waiting(rows, "crm"))["crm"] <= 60
    await delivered(rows, ids[2])
    assert await waiting(rows, "crm") == {}


async def test_only_what_is_due_is_of_a_queue_that_is_gone(rows: Rows) -> None:
    async def strange(*known: str) -> list[str]:
        async with rows.engine.begin() as conn:
            return await claims.strange_endpoints(conn, known)

    ids = await rows.add(2)
    assert await strange("crm") == []
    assert await strange("other") == ["crm"]
    await due(rows, ids, -60, 5)
    await delivered(rows, ids[1])
    assert await strange("other") == [], "one is done, the other may be renamed back until then"
    await due(rows, ids[:1], 5)
    assert await strange("other") == ["crm"]


async def test_up_to_so_many_begin_with_their_claim_and_come_first(rows: Rows) -> None:
    ids = await rows.add(3)
    await due(rows, ids, 10, 30, 20)
    await rows.all("UPDATE deliveries SET created_at = now() - interval '1 hour' WHERE id = :id", id=ids[0])
    async with rows.engine.begin() as conn:
        token, repeats = new_id(), ["webhook"]
        claimed = await claims.claim(conn, "crm", most=3, token=token, instance="one", begun=2, repeats_unknown=repeats)
    assert [one.began_at is not None for one in claimed] == [True, True, False]
    assert {one.id for one in claimed[:2]} == {ids[1], ids[2]}, "those that have been due longest"
