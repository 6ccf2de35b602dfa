"""A contact whose stored state nobody can read, as after a step back to an older version, holds nobody else up."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.scoring.config import load_scoring
from services.scoring.facts import FactMaker
from services.scoring.jobs.costs import Costing
from services.scoring.jobs.revalue import Revaluing
from services.scoring.jobs.sweep import Sweeping
from services.scoring.models import InForce
from services.scoring.store import costs
from services.scoring.store.contacts import history
from shared.clock import new_id, utc_now
from tests.support.command import Command
from tests.support.scoring_service import CONFIG, World, scoring
from tests.unit.scoring.builders import a_lead, a_purchase

LEADS = 5


@pytest.fixture
async def world(world: World) -> World:
    """Leads and a customer, the second lead and the second customer of whom have become unreadable."""
    now = utc_now()
    async with scoring(world):
        for n in range(LEADS):
            await world.tell(a_lead(at=now, event=f"l{n}", email=f"p{n}@example.com"))
        for n in range(2):
            await world.tell(a_purchase(at=now, event=f"b{n}", order_id=f"o{n}", email=f"c{n}@example.com"))
        await world.settled()
    await world.rows("""
        UPDATE contacts SET state = convert_to('{"of": "a later version"}', 'UTF8') WHERE id IN (
            SELECT contact_id FROM identities WHERE key IN ('email:p1@example.com', 'email:c1@example.com')
        ) RETURNING 1
    """)
    return world


async def test_the_others_are_swept(world: World) -> None:
    tomorrow = utc_now() + timedelta(days=1)
    job = Sweeping(
        world.engine, InForce(load_scoring(CONFIG)), FactMaker(b"s", new_id), lambda: tomorrow, CollectorRegistry()
    )
    while await job.step(at_once=2):
        pass
    swept = "SELECT count(DISTINCT contact_id) FROM bookings WHERE event_id = contact_id"
    assert await world.one(swept) == LEADS - 1


async def test_the_others_are_valued_by_a_changed_model(world: World) -> None:
    await world.rows("UPDATE contacts SET model = '' RETURNING 1")
    registry = CollectorRegistry()
    job = Revaluing(world.engine, InForce(load_scoring(CONFIG)), utc_now, new_id, registry)
    while await job.step():
        pass
    assert await world.one("SELECT count(*) FROM contacts WHERE model = ''") == 2
    assert registry.get_sample_value("firsthour_contacts_not_revalued_total") == 2


async def test_the_others_have_their_costs(world: World) -> None:
    ids = [row.id for row in await world.rows("SELECT id FROM contacts")]
    async with world.engine.begin() as conn:
        await costs.due_again(conn, ids)
    job = Costing(world.engine, InForce(load_scoring(CONFIG)), utc_now, CollectorRegistry())
    while await job.settle(limit=3):
        pass
    assert await world.one("SELECT count(*) FROM cost_due") == 0


@pytest.mark.parametrize("limit", [1, 3, LEADS])
async def test_the_others_are_in_the_queue(world: World, limit: int) -> None:
    async with scoring(world) as api:
        seen: list[str] = []
        cursor = ""
        while True:
            page = await api.get(f"/v1/queue?limit={limit}{cursor}")
            seen += [each["contact"]["email"] for each in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
    assert sorted(seen) == [f"p{n}@example.com" for n in range(LEADS) if n != 1]


async def test_the_others_are_learnt_from(world: World) -> None:
    async with world.engine.connect() as conn:
        assert len([each async for each in history.customers(conn)]) == 1


async def test_the_others_are_listed_found_and_exported_and_whoever_cannot_be_read_can_be_erased(world: World) -> None:
    command = Command(database=world.database)
    places = ("--state", str(world.state), "--config", str(CONFIG))
    async with scoring(world) as api:
        listed = await api.pages("/v1/contacts", limit=2)
        assert len(listed) == LEADS
        found = await api.http.post("/v1/contacts/search", json={"q": "example"})
        assert len(found.json()["items"]) == LEADS
        file = await asyncio.to_thread(command, "export", "contacts", *places)
        assert (file.code, len(file.out.splitlines())) == (0, 1 + LEADS), file.err
        erased = await asyncio.to_thread(command, "erase", "p1@example.com", "--yes", *places)
        assert erased.code == 0, erased.err
        assert await world.one("SELECT count(*) FROM identities WHERE key = 'email:p1@example.com'") == 0
