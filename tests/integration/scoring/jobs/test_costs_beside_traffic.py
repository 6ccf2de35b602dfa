"""Costs beside live batches, on Postgres alone: who is held or waits for a model is costed later, and never left out."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from services.scoring.domain.costs import told
from services.scoring.jobs.costs import Costing
from services.scoring.jobs.revalue import Revaluing
from services.scoring.models import InForce
from services.scoring.store import costs
from shared.clock import new_id, utc_now
from tests.support.folding import Folding, folding
from tests.unit.scoring.builders import NOW, a_cost, a_lead, a_model, minutes

LATER = NOW + minutes(60)
BOOKED = "SELECT sum(amount) FROM bookings WHERE factor = 'cost' GROUP BY contact_id ORDER BY 1"
UNTOLD, SHARE = (-200,), (-500,)  # what a lead of the website is taken to cost, and half of what they did


@pytest.fixture
async def scoring(database: str) -> AsyncIterator[Folding]:
    async with folding(database) as scoring:
        yield scoring


async def two_leads(scoring: Folding, amount: str = "10.00", **cost: Any) -> None:
    """Two who asked now and a minute later, and what they cost."""
    await scoring.folds(*[a_lead(email=f"p{n}@example.com", event=("l", n), at=NOW + minutes(n)) for n in range(2)])
    recorded = told(*a_cost(source="website", amount=amount, event="c", at=NOW, **{"period_start": NOW} | cost))
    assert recorded is not None
    async with scoring.engine.begin() as conn:
        await costs.tell(conn, [recorded])


def costing(scoring: Folding, version: str = "scorecard-test", *, at: datetime = LATER) -> Costing:
    return Costing(scoring.engine, InForce(a_model(version=version)), lambda: at, CollectorRegistry())


async def test_whom_a_batch_holds_is_costed_after_it(scoring: Folding) -> None:
    await two_leads(scoring)
    job = costing(scoring)
    assert await job.spread()
    async with scoring.engine.begin() as conn:
        await conn.execute(sa.text("SELECT FROM contacts ORDER BY asked_at LIMIT 1 FOR UPDATE"))
        assert not await job.settle()
    assert await scoring.all(BOOKED) == [SHARE, UNTOLD]
    assert not await job.settle()
    assert await scoring.all(BOOKED) == [SHARE, SHARE]
    assert await scoring.one("SELECT count(*) FROM cost_due") == 0


async def test_who_waits_for_another_model_is_costed_after_it(scoring: Folding) -> None:
    await two_leads(scoring)
    job = costing(scoring, "scorecard-next")
    assert await job.spread()
    assert not await job.settle()
    assert await scoring.all(BOOKED) == [UNTOLD, UNTOLD]
    next_one = InForce(a_model(version="scorecard-next"))
    assert await Revaluing(scoring.engine, next_one, utc_now, new_id, CollectorRegistry()).step() == 2
    assert not await job.settle()
    assert await scoring.all(BOOKED) == [SHARE, SHARE]


async def test_who_asks_as_a_period_ends_is_of_the_next_one(scoring: Folding) -> None:
    await two_leads(scoring, period_end=NOW + minutes(1))
    assert await costing(scoring).spread()
    assert await scoring.all("SELECT amount FROM cost_shares") == [(1000,)]


async def test_after_a_start_a_cost_is_spread_by_the_rates_that_hold_then(scoring: Folding) -> None:
    long_ago: dict[str, Any] = {"period_start": NOW - timedelta(days=99), "period_end": NOW - timedelta(days=90)}
    for name, period in (("new", dict[str, Any]()), ("old", long_ago)):
        await two_leads(scoring, cost_id=name, **period)
    for minute in (60, 61, 62):
        job = costing(scoring, at=NOW + minutes(minute))
        assert [await job.spread() for _ in range(3)] == [True, True, False]


async def test_nobody_is_worth_more_for_a_cost_below_nothing(scoring: Folding) -> None:
    await two_leads(scoring, amount="-10.00")
    assert await costing(scoring).spread()
    assert await scoring.all("SELECT amount FROM cost_shares") == [(0,), (0,)]
