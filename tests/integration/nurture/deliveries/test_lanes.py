"""Live follow-ups go before those of imports, and imports go on all the same."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from services.nurture.channels.sending import Begin, Result
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Answered
from tests.support.deliveries import Rows, delivering, rows_of
from tests.support.waiting import until


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def test_live_is_claimed_before_bulk_however_much_older_that_is(rows: Rows) -> None:
    await rows.add(30, lane="bulk")
    live = await rows.add(5)
    claimed = [given.id for given in await rows.claim(most=10)]
    assert set(claimed[:5]) == set(live)
    assert len(claimed) == 10, "places that nothing live needs are for imports"
    assert await rows.claim(most=100, endpoint="other") == []


async def test_reserved_places_are_for_imports_and_used_by_live_ones_if_there_is_none(rows: Rows) -> None:
    await rows.add(30)
    assert [given.lane for given in await rows.claim(most=8, reserved=2)] == ["live"] * 8
    await rows.add(3, lane="bulk")
    lanes = [given.lane for given in await rows.claim(most=8, reserved=2)]
    assert Counter(lanes) == {"live": 6, "bulk": 2}
    assert [given.lane for given in await rows.claim(most=1, reserved=1)] == ["bulk"]
    assert [given.lane for given in await rows.claim(most=1, reserved=1)] == ["live"]


async def test_a_lead_does_not_wait_behind_four_thousand_rows_of_an_import(rows: Rows) -> None:
    order: list[UUID] = []

    async def send(given: StoredDelivery, begin: Begin) -> Result:
        await begin()
        await asyncio.sleep(0.01)
        order.append(given.id)
        return Result(Answered(200))

    await rows.add(4000, lane="bulk")
    async with delivering(rows, send) as deliverer:
        await until(lambda: len(order) > 50)
        (live,) = await rows.add()
        asked = len(order)
        deliverer.wake(["crm"])
        await until(lambda: live in order)
        assert order.index(live) - asked < 60, "only what was under way and claimed already went before it"
