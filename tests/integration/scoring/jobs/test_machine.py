"""`firsthour contacts machine` takes away what a contact did, in the tables, and gives it back."""

import asyncio
import json
from typing import Any

from services.scoring.config import load_scoring
from services.scoring.jobs.machine import Judged, Judging
from shared.clock import new_id, utc_now
from shared.db.tables import audit
from shared.tokens import Actor
from tests.support.command import Command
from tests.support.scoring_service import CONFIG, World, scoring
from tests.unit.scoring.builders import NOW, a_lead, an_engagement, minutes


async def judged(world: World, *, machine: bool) -> Judged:
    """As the command does it."""
    async with world.engine.begin() as conn:
        who = await world.one("SELECT id FROM contacts")
        judging = Judging(load_scoring(CONFIG), new_id)
        return await judging.judge(conn, who, utc_now(), Actor("ana", audit.COMMAND), machine=machine)


async def taken_back(world: World) -> Any:
    """What the command says."""
    command = Command(database=world.database, prefix=world.topics.prefix)
    state = ("--state", str(world.state), "--config", str(CONFIG))
    asked = ("contacts", "machine", "ada@example.com", "--undo", *state, "--json")
    done = await asyncio.to_thread(command, *asked)
    assert done.code == 0, done.err
    return json.loads(done.out)


async def test_a_machine_is_worth_nothing_until_somebody_says_that_it_is_a_person(world: World) -> None:
    async with scoring(world) as api:
        await world.tell(a_lead(), an_engagement(kind="meeting_booked", at=NOW + minutes(1)))
        await world.settled()
        before = await world.one("SELECT lead_value FROM contacts")
        said = await judged(world, machine=True)
        assert (said.lead, said.customer) == (-before, 0)
        assert await world.one("SELECT lead_value FROM contacts") == 0
        assert await world.one("SELECT sum(amount) FROM bookings WHERE factor = 'machine'") == -before
        await world.books_balance()
        told = await api.get(f"/v1/contacts/{said.contact}/explanation")
        assert "machine" in told["rests_on"]
        await world.tell(an_engagement(at=NOW + minutes(2), event="later"))
        await world.settled()
        assert await world.one("SELECT lead_value FROM contacts") == 0, "what it does later counts nothing either"
        back = await taken_back(world)
        assert (back["machine"], back["customer"]) == (False, "0.00")
        assert await world.one("SELECT lead_value FROM contacts") >= before
        await world.books_balance()
        assert [row.action for row in await world.rows("SELECT action FROM audit ORDER BY at")] == ["machine", "person"]
