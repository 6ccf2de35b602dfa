"""Who reads lists and who waits for a follow-up do not share connections."""

import asyncio

import sqlalchemy as sa

from tests.support.scoring_service import World, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import a_lead

READERS = 8  # more than a service has connections for them


async def test_readers_that_take_every_connection_keep_no_lead_waiting(world: World) -> None:
    async with scoring(world) as api, world.engine.connect() as locking, asyncio.TaskGroup() as readers:
        await locking.execute(sa.text("LOCK TABLE costs IN ACCESS EXCLUSIVE MODE"))
        waiting = [readers.create_task(api.http.get("/v1/costs", timeout=60)) for _ in range(READERS)]

        async def all_wait() -> bool:
            held = await world.one("""
                SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%costs%'
            """)
            return bool(held >= 4)  # the publisher keeps the fifth

        await until(all_wait)
        await world.tell(a_lead(email="ada@example.com"))
        await world.settled()
        assert not any(task.done() for task in waiting)
        await locking.rollback()
