"""What a split leaves in the tables, on Postgres alone: orders, things bought and shares of costs are each one's own."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.scoring.domain.costs import told
from services.scoring.facts import FactMaker
from services.scoring.jobs.costs import Costing
from services.scoring.jobs.split import Splitting
from services.scoring.models import InForce
from services.scoring.store import costs
from shared.clock import new_id, utc_now
from shared.events.types import Item
from shared.tokens import Actor
from tests.support.folding import Folding, folding
from tests.unit.scoring.builders import NOW, a_cost, a_lead, a_model, a_purchase, an_identification, minutes

ADA, BEN = {"email": "ada@example.com"}, {"user_id": "u-ben"}
LATER = NOW + minutes(60)
ORDERS = "SELECT i.key, o.order_id FROM orders o JOIN identities i USING (contact_id) ORDER BY 1, 2"
BOUGHT = "SELECT i.key, b.item FROM bought b JOIN identities i USING (contact_id) WHERE item <> '' ORDER BY 1, 2"
TOGETHER = "SELECT item, other, buyers FROM bought_together WHERE buyers > 0 AND item < other ORDER BY 1, 2"
BOOKED = """
    SELECT sum(amount) FILTER (WHERE account = 'lead'), sum(amount) FILTER (WHERE account = 'customer')
    FROM bookings GROUP BY contact_id ORDER BY contact_id
"""


@pytest.fixture
async def scoring(database: str) -> AsyncIterator[Folding]:
    async with folding(database) as scoring:
        yield scoring


async def costed(scoring: Folding) -> list[int | None]:
    """All that the job has to do, and what each contact's facts then say of its share."""
    job = Costing(scoring.engine, InForce(a_model()), lambda: LATER, CollectorRegistry())
    while await job.spread():
        pass
    while await job.settle():
        pass
    cost = "(convert_from(state, 'UTF8')::jsonb ->> 'cost')::int"
    return [each for (each,) in await scoring.all(f"SELECT {cost} FROM contacts WHERE merged_into IS NULL ORDER BY id")]


async def split(scoring: Folding) -> tuple[UUID, UUID]:
    ((loser, survivor),) = await scoring.all("SELECT id, merged_into FROM contacts WHERE merged_into IS NOT NULL")
    splitting = Splitting(a_model(), FactMaker(b"s", new_id), new_id)
    async with scoring.engine.begin() as conn:
        await splitting.split(conn, survivor, loser, utc_now(), Actor("zoe", "command"))
    return survivor, loser


async def test_each_has_what_was_theirs(scoring: Folding) -> None:
    await scoring.folds(
        a_lead(**ADA, event="a"), a_purchase(**ADA, order_id="A", items=[Item(sku="hat")], at=NOW + minutes(1))
    )
    await scoring.folds(
        a_lead(**BEN, event="b", at=NOW + minutes(2)),
        a_purchase(**BEN, order_id="B", items=[Item(sku="boots"), Item(sku="socks")], at=NOW + minutes(3)),
    )
    cost = told(*a_cost(source="website", amount="10.00", event="c", at=NOW, period_start=NOW))
    assert cost is not None
    async with scoring.engine.begin() as conn:
        await costs.tell(conn, [cost])
    assert await costed(scoring) == [500, 500]
    before = [await scoring.all(each) for each in (ORDERS, BOUGHT, TOGETHER)]
    values = "SELECT lead_value, customer_value FROM contacts ORDER BY id"
    were = await scoring.all(values)

    await scoring.folds(an_identification(**ADA, **BEN, event="merge", at=NOW + minutes(4)))
    assert await scoring.all(TOGETHER) != before[2]
    async with scoring.engine.begin() as conn:  # as the job looks at every cost again
        await costs.tell(conn, [cost._replace(told_at=LATER)])
    assert await costed(scoring) == [1000]
    await scoring.all("DELETE FROM changes")

    both = await split(scoring)
    assert [await scoring.all(each) for each in (ORDERS, BOUGHT, TOGETHER)] == before
    assert await scoring.all("SELECT unnest(contacts), queue FROM changes ORDER BY 1") == [
        (i, True) for i in sorted(both)
    ]
    assert await costed(scoring) == [1000, None], "the share that there is counts at once, the other comes"
    async with scoring.engine.begin() as conn:
        await costs.tell(conn, [cost._replace(told_at=LATER + minutes(1))])
    assert await costed(scoring) == [500, 500]
    assert await scoring.all(values) == were
    assert await scoring.all(BOOKED) == were
