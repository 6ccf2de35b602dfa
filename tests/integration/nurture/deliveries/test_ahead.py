"""What is claimed ahead for an endpoint that answers fast is not kept when it is not sent: others may send it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from services.nurture.channels.sending import Begin, Result
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Answered, NotSent
from tests.support.deliveries import Rows, delivering, rows_of
from tests.support.waiting import until

AT_ONCE = 2  # as `delivering` has it
AHEAD = 8 * AT_ONCE


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def hangs(_given: StoredDelivery, _begin: Begin) -> Result:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def test_at_a_stop_it_goes_back(rows: Rows) -> None:
    async with delivering(rows, hangs, drain_s=0.1) as deliverer:
        deliverer._queues["crm"].typical_s = 0.0
        await rows.add(30)
        await until(lambda: rows.are("claimed", AT_ONCE + AHEAD))
        await asyncio.sleep(0)
    assert set(await rows.states()) == {"pending"}
    assert set(await rows.states("attempts")) == {0}


async def test_of_an_endpoint_that_asks_for_less_it_goes_back_at_once(rows: Rows) -> None:
    asked = asyncio.Event()

    async def send(_given: StoredDelivery, begin: Begin) -> Result:
        await begin()
        await asked.wait()
        return Result(Answered(429, 600.0))

    async with delivering(rows, send) as deliverer:
        deliverer._queues["crm"].typical_s = 0.0
        await rows.add(30)
        await until(lambda: rows.are("claimed", AT_ONCE + AHEAD))
        asked.set()
        await until(lambda: rows.are("pending", 30))
    assert await rows.one("SELECT sum(attempts) FROM deliveries") == AT_ONCE


async def test_of_an_endpoint_that_fails_one_is_tried_at_a_time(rows: Rows) -> None:
    at_work = most = 0

    async def send(_given: StoredDelivery, begin: Begin) -> Result:
        nonlocal at_work, most
        await begin()
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1
        return Result(NotSent("closed"))

    async with delivering(rows, send) as deliverer:
        queue = deliverer._queues["crm"]
        queue.failures = 100
        await rows.add(6)
        deliverer.wake(["crm"])
        await until(lambda: queue.failures > 100)
    assert most == 1


async def test_which_endpoints_fail_or_are_disabled_is_shown(rows: Rows) -> None:
    await rows.all(
        "INSERT INTO endpoint_state (name, failing_since, failing_because, disabled_at, disabled_because) "
        "VALUES ('crm', now(), 'closed', NULL, NULL), ('email:smtp', NULL, NULL, now(), '410')"
    )
    registry = CollectorRegistry()

    def shown(name: str) -> list[float | None]:
        labels = ({"endpoint": each} for each in ("crm", "email:smtp"))
        return [registry.get_sample_value(f"firsthour_nurture_endpoints_{name}", each) for each in labels]

    async with delivering(rows, hangs, registry=registry):
        await until(lambda: shown("failing") == [1, 0])
        assert shown("disabled") == [0, 1]
