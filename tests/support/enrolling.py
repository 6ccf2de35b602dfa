"""Nurture's handler on Postgres alone: processes with a transaction of their own, fed with updates."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.nurture.config import Endpoints
from services.nurture.domain.enrolment import decode_enrolment, encode_enrolment
from services.nurture.domain.workflow import Workflow
from services.nurture.facts import FactMaker
from services.nurture.language.compile import Workflows, compile_workflow
from services.nurture.language.versions import with_live
from services.nurture.metrics import make_metrics
from services.nurture.runs.handler import UpdatesHandler
from shared.clock import utc_now
from shared.events.updates import UpdateEnvelope
from shared.kafka.records import Handled, Record

RUN = {
    "workflow": "first-hour",
    "trigger": {"on": "lead.captured"},
    "goal": {"on": "purchase.completed"},
    "window": {"length": "60m", "stops_on": "human_touch"},
    "steps": [
        {"send": {"webhook": "crm"}},
        {"wait_for": {"event": "contact.touched", "where": "event.human", "timeout": "15m"}},
        {"on_timeout": [{"send": {"webhook": "escalate"}}]},
    ],
}
ONCE = {
    "workflow": "once",
    "trigger": {"on": "lead.captured"},
    "reentry": "once",
    "steps": [{"send": {"webhook": "crm"}}],
}
FACTS = FactMaker(b"secret")
_NUMBERS = itertools.count()


class Process:
    """A handler as a process has it, and its transaction."""

    def __init__(
        self, conn: AsyncConnection, *workflows: dict[str, Any], now: Callable[[], datetime] = utc_now
    ) -> None:
        self.conn = conn
        self.registry = CollectorRegistry()
        self.sendable: list[set[str]] = []
        self.due: list[datetime] = []
        self.canaries: list[UpdateEnvelope] = []
        compiled = [compile_workflow(each) for each in workflows]
        triggers: dict[str, list[Workflow]] = defaultdict(list)
        for each in compiled:
            triggers[each.trigger.on].append(each)
        live = Workflows({each.name: each for each in compiled}, {on: tuple(some) for on, some in triggers.items()}, ())
        self.versions = with_live(live, lambda _condition: None)
        self.metrics = make_metrics(self.registry)
        self.handler = UpdatesHandler(
            self.versions,
            Endpoints(),
            FACTS,
            self.metrics,
            bulk="bulk",
            on_sendable=self.sendable.append,
            on_due=self.due.append,
            on_canary=self.canaries.append,
            now=now,
        )

    async def handles(self, *updates: tuple[UUID, bytes], topic: str = "updates") -> Handled:
        records = [Record(topic, 0, next(_NUMBERS), None, value, 0) for _, value in updates]
        return await self.handler.handle(self.conn, records)

    async def works_off(self, *updates: tuple[UUID, bytes]) -> None:
        assert not (await self.handles(*updates)).dead

    async def settles(self, *updates: tuple[UUID, bytes], topic: str = "updates") -> None:
        """One batch of the loop, with its commit and what follows it."""
        handled = await self.handles(*updates, topic=topic)
        assert not handled.dead
        await self.conn.commit()
        if handled.after_commit is not None:
            handled.after_commit()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


class House:
    """A database with processes."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime] = utc_now) -> None:
        self.engine = engine
        self.now = now
        self.open: list[AsyncConnection] = []

    async def process(self, *workflows: dict[str, Any]) -> Process:
        conn = await self.engine.connect()
        self.open.append(conn)
        process = Process(conn, *workflows, now=self.now)
        async with self.engine.begin() as other:
            await process.versions.keep_live(other)
        return process

    async def runs(self) -> list[tuple[UUID, str, str]]:
        async with self.engine.connect() as conn:
            rows = await conn.execute(sa.text("SELECT contact_id, workflow, status FROM enrolments ORDER BY status"))
            return [(row[0], row[1], row[2]) for row in rows]

    async def make_due(self, ago: timedelta) -> None:
        """Every wait was over so long ago."""
        async with self.engine.begin() as conn:
            for identifier, document in (
                await conn.execute(sa.text("SELECT id, document FROM enrolments WHERE status = 'active'"))
            ).all():
                run, at = decode_enrolment(document), utc_now() - ago
                assert run.waiting is not None
                given = {
                    "id": identifier,
                    "at": at,
                    "document": encode_enrolment(replace(run, waiting=replace(run.waiting, until=at))),
                }
                await conn.execute(
                    sa.text("UPDATE enrolments SET document = :document, due_at = :at WHERE id = :id"), given
                )

    async def blocked(self, task: asyncio.Task[None]) -> None:
        """Return once another transaction waits for a lock."""
        waiting = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        for _ in range(500):
            assert not task.done(), "it should have waited"
            async with self.engine.connect() as conn:
                if (await conn.execute(waiting)).scalar_one():
                    return
            await asyncio.sleep(0.02)
        raise AssertionError("it neither waited nor ended")
