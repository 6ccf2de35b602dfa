"""What a source cost is shared by its leads, whenever it is told and however late they come, to the cent."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from services.scoring.config import load_scoring
from services.scoring.domain.costs import told
from services.scoring.jobs.costs import Costing
from services.scoring.models import InForce
from services.scoring.store import costs
from shared.events.types import Campaign
from tests.support.command import Command
from tests.support.scoring_service import CONFIG, World, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import NOW, a_cost, a_lead, a_purchase, an_engagement, an_identification, minutes

_WEB = "SELECT amount FROM cost_shares WHERE cost LIKE '%web' ORDER BY amount DESC"


def march(**said: Any) -> dict[str, Any]:
    return {"period_start": datetime(2026, 3, 1, tzinfo=UTC), "at": NOW, **said}


def lead(n: int, **said: Any) -> Any:
    return a_lead(email=f"p{n}@example.com", event=f"l{n}", at=NOW + minutes(n), **said)


async def spread(world: World, now: datetime) -> None:
    """All that the job has to do at this time."""
    job = Costing(world.engine, InForce(load_scoring(CONFIG)), lambda: now, CollectorRegistry())
    while await job.spread():
        pass
    while await job.settle(limit=2):
        pass


async def test_a_cost_is_shared_by_its_leads_however_late_it_or_they_come(world: World) -> None:
    async with scoring(world) as api:
        await world.tell(*(lead(n) for n in range(3)), lead(3, source="/sources/shop"))
        await world.tell(a_cost(source="website", cost_id="web", amount="10.00", event="c1", **march()))
        await world.settled()

        async def shared() -> bool:
            return await world.one("SELECT count(*) FROM cost_due") == 0 and bool(await world.rows(_WEB))

        await until(shared, 30)  # by the service itself
        assert [row.amount for row in await world.rows(_WEB)] == [334, 333, 333]
        await world.books_balance()
        (who, *_) = [
            row.id for row in await world.rows("SELECT id FROM contacts WHERE source = 'website' ORDER BY asked_at")
        ]
        told = await api.get(f"/v1/contacts/{who}/explanation")
        assert told["acquisition_cost"]["amount"] == "3.34"
        assert [each["amount"]["amount"] for each in told["factors"] if each["factor"] == "cost"] == ["-3.34"]
        sources = {each["name"]: each["stages"] for each in (await api.get("/v1/funnel", weeks=260))["sources"]}
        assert sources["website"][1]["cost_each"]["amount"] == "3.33"

    # Corrected, told again, and told late by somebody slower.
    async with scoring(world):
        await world.tell(
            a_cost(source="website", cost_id="web", amount="20.00", event="c3", **march(at=NOW + minutes(2))),
            a_cost(source="website", cost_id="web", amount="99.00", event="c2", **march(at=NOW + minutes(1))),
            lead(4),
            a_purchase(email="p0@example.com", at=NOW + minutes(30), event="o"),
        )
        await world.settled()
    await spread(world, NOW + timedelta(days=9999))
    assert [row.amount for row in await world.rows(_WEB)] == [500] * 4, "who has bought since has a share as well"
    await world.books_balance()
    bookings = "SELECT contact_id FROM bookings WHERE factor = 'cost' AND event_id = contact_id"
    assert len(await world.rows(bookings)) == len({row.contact_id for row in await world.rows(bookings)}) <= 4

    # Two of them are one, and the others have her share.
    async with scoring(world):
        await world.tell(an_identification(email="p1@example.com", user_id="u", event="i1", at=NOW + minutes(40)))
        await world.tell(an_identification(email="p2@example.com", user_id="u", event="i2", at=NOW + minutes(41)))
        await world.settled()
    await spread(world, NOW + timedelta(days=10_000))
    assert [row.amount for row in await world.rows(_WEB)] == [667, 667, 666]
    await world.books_balance()
    await spread(world, NOW + timedelta(days=10_001))
    assert sum(row.amount for row in await world.rows(_WEB)) == 2000, "nothing is spread twice"


async def test_a_cost_may_name_a_campaign_a_utm_source_or_nobody_and_waits_for_its_rate(world: World) -> None:
    spring = Campaign(source="google", name="Spring")
    async with scoring(world):
        await world.tell(lead(0, campaign=spring), lead(1, campaign=Campaign(source="google")), lead(2))
        await world.tell(
            a_cost(source="Google", cost_id="google", amount="4.00", event="c1", **march()),
            a_cost(campaign="spring", cost_id="spring", amount="1.00", event="c2", **march()),
            a_cost(cost_id="agency", amount="0.90", event="c3", **march()),
            a_cost(cost_id="none", source="bing", amount="5.00", event="c4", **march()),
            a_cost(cost_id="strange", currency="XAF", amount="5.00", event="c5", **march()),
            a_cost(cost_id="public", amount="5.00", event="c6", trust="public", **march()),
        )
        await world.settled()
    await spread(world, NOW + timedelta(days=9999))
    costs = await world.rows("SELECT split_part(key, ':', 2) AS name, spread, leads FROM costs ORDER BY name")
    assert [tuple(row) for row in costs] == [
        ("agency", 90, 3), ("google", 400, 2), ("none", 500, 0), ("spring", 100, 1), ("strange", None, 0),
    ]  # fmt: skip
    shares = await world.rows("""
        SELECT sum(amount) AS cost FROM cost_shares JOIN contacts c ON c.id = contact_id
        GROUP BY contact_id, c.asked_at ORDER BY c.asked_at
    """)
    assert [row.cost for row in shares] == [330, 230, 30]
    await world.books_balance()
    async with scoring(world) as api:
        stages = {each["name"]: each["stages"] for each in (await api.get("/v1/funnel", weeks=260))["campaigns"]}
    assert stages["spring"][1]["cost_each"]["amount"] == "3.30"


async def test_one_lead_that_cannot_be_costed_stops_no_other(world: World) -> None:
    async with scoring(world):
        booked = an_engagement(email="p1@example.com", kind="meeting_booked", at=NOW + minutes(9), event="m")
        await world.tell(*(lead(n) for n in range(3)), booked)
        await world.settled()
    await world.rows(
        "UPDATE contacts SET state = convert_to(regexp_replace(convert_from(state, 'UTF8'), '\"meeting_booked\":.[^]]*.', "
        "'\"meeting_booked\":[0]'), 'UTF8') RETURNING 1"
    )
    async with world.engine.begin() as conn:
        cost = told(*a_cost(source="website", cost_id="web", amount="10.00", event="c1", **march()))
        assert cost is not None
        await costs.tell(conn, [cost])
    registry = CollectorRegistry()
    job = Costing(world.engine, InForce(load_scoring(CONFIG)), lambda: NOW + timedelta(days=1), registry)
    while await job.spread():
        pass
    assert not await job.settle()
    assert registry.get_sample_value("firsthour_leads_not_costed_total") == 1
    assert registry.get_sample_value("firsthour_leads_costed_total") == 2
    assert await world.one("SELECT count(*) FROM cost_due") == 0


async def test_a_cost_of_long_ago_is_looked_at_once_a_day(world: World) -> None:
    march_of_last_year = {"period_start": NOW - timedelta(days=365), "at": NOW}
    told_costs = [
        told(*a_cost(source="website", cost_id=name, amount="10.00", event=name, **when))
        for name, when in (("late", march()), ("old", march_of_last_year))
    ]
    async with world.engine.begin() as conn:
        await costs.tell(conn, [cost for cost in told_costs if cost is not None])
    now = NOW + timedelta(days=1)
    job = Costing(world.engine, InForce(load_scoring(CONFIG)), lambda: now, CollectorRegistry())

    async def looked_at() -> int:
        return len([True async for _ in _spreads(job)])

    assert await looked_at() == 2
    assert await looked_at() == 0
    now += timedelta(hours=2)
    assert await looked_at() == 1
    now += timedelta(hours=23)
    assert await looked_at() == 2


async def _spreads(job: Costing) -> AsyncIterator[bool]:
    while await job.spread():
        yield True


GOOGLE = """\
Campaign performance report
1 January 2026 - 28 February 2026
Day,Campaign,Ad group,Currency code,Cost
2026-02-27,Spring,A,EUR,10.00
2026-02-27,Spring,B,EUR,2.50
2026-03-02,Spring,A,EUR,30.00
2026-03-02,Autumn,A,EUR,7.00
Total: Account,,,EUR,49.50
"""


async def test_a_file_of_costs_is_told_listed_and_corrected_by_the_next(world: World, tmp_path: Path) -> None:
    firsthour = Command(database=world.database, kafka=world.kafka, prefix=world.topics.prefix)
    file = tmp_path / "google.csv"
    file.write_text(GOOGLE)

    async def told(*more: str) -> dict[str, Any]:
        ended = await asyncio.to_thread(
            firsthour, "costs", "import", str(file), "--source", "Google", "--yes", "--json", *more
        )
        assert ended.code == 0, ended.err
        return dict(json.loads(ended.out))

    async with scoring(world) as api:
        await world.tell(*(lead(n, campaign=Campaign(source="google", name="spring")) for n in range(4)))
        await world.settled()
        assert await told("--dry-run") == {"told": 3, "sent": False, "left_out": 1, "refused": []}
        assert (await api.get("/v1/costs"))["items"] == []
        assert (await told())["sent"]

        async def shared(amount: str | None) -> bool:
            items = (await api.get("/v1/costs", campaign="SPRING"))["items"]
            return bool(items) and (items[0]["shared"] or {}).get("amount") == amount

        await until(lambda: shared("30.00"), 30)
        (new, old) = (await api.get("/v1/costs", campaign="Spring"))["items"]
        assert (new["leads"], new["per_lead"]["amount"], new["source"]) == (4, "7.50", "google")
        assert (old["amount"]["amount"], old["leads"], old["per_lead"]) == ("12.50", 0, None)
        first = await api.get("/v1/costs", limit=1)
        rest = await api.get("/v1/costs", cursor=first["next"])
        assert [len(first["items"]), len(rest["items"]), rest["next"]] == [1, 2, None]
        assert (await api.http.get("/v1/costs?cursor=x")).status_code == 400

        file.write_text(GOOGLE.replace("30.00", "50.00"))
        assert (await told())["sent"]
        await until(lambda: shared("50.00"), 30)
        assert len((await api.get("/v1/costs"))["items"]) == 3

        async def is_booked() -> bool:
            return bool(await world.one("SELECT count(*) = 0 FROM cost_due"))

        await until(is_booked, 30)
        await world.books_balance()
