"""Deliveries as rows, and a deliverer that sends them as a test wants it, on the real Postgres alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.channels.email.channel import QUEUE as MAIL
from services.nurture.channels.sending import Send
from services.nurture.config import Endpoints
from services.nurture.deliveries.deliverer import Deliverer
from services.nurture.domain.context import Happening
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.workflow import Workflow
from services.nurture.facts import FactMaker
from services.nurture.metrics import make_metrics
from services.nurture.runs.changes import Changes
from services.nurture.runs.writing import write
from services.nurture.store import enrolments
from services.nurture.store.deliveries import claims, deliveries
from services.nurture.store.enrolments import Version
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from shared.events.lanes import Lane
from shared.runtime.deadlines import LEASE_S
from tests.unit.nurture.builders import a_contact, a_workflow, an_update, begun

NOBODY = Endpoints()
FACTS = FactMaker(b"of this test")


@dataclass
class Rows:
    """The tables of nurture, to be filled and looked into."""

    engine: AsyncEngine

    async def add(
        self, count: int = 1, *, lane: Lane = "live", event: Happening | None = None, **send: Any
    ) -> list[UUID]:
        """So many deliveries, each of a run of its own: `webhook="crm"`, `email="thanks"`, with `deadline`, `fallback`.

        `event`: the one that started them.
        """
        workflow = a_workflow({"send": send or {"webhook": "crm"}}, workflow="sample", goal=None)
        changes, now = Changes(), utc_now()
        for _ in range(count):
            update = an_update(name=new_id(), time=now - timedelta(seconds=1), contact=a_contact(id=new_id()))
            changes.begin(begun(workflow, replace(update, lane=lane, event=event or update.event), now=now))
        async with self.engine.begin() as conn:
            await enrolments.keep_versions(conn, [_version(workflow)])
            await write(conn, changes, endpoints=NOBODY, facts=FACTS, now=now)
        return [row.id for row in changes.rows]

    async def claim(
        self, endpoint: str = "crm", most: int = 100, instance: str = "one", reserved: int = 0
    ) -> list[StoredDelivery]:
        async with self.engine.begin() as conn:
            return await claims.claim(conn, endpoint, most=most, token=new_id(), instance=instance, reserved=reserved)

    async def withdraw(self, given: UUID) -> None:
        """The run that it belongs to has reached its goal."""
        run = await self.one("SELECT enrolment_id FROM deliveries WHERE id = :id", id=given)
        async with self.engine.begin() as conn:
            await deliveries.cancel(conn, [run])

    async def all(self, statement: str, **values: Any) -> list[Any]:
        async with self.engine.begin() as conn:
            result = await conn.execute(sa.text(statement), values)
            return list(result.all()) if result.returns_rows else []

    async def one(self, statement: str, **values: Any) -> Any:
        ((value,),) = await self.all(statement, **values)
        return value

    async def states(self, column: str = "state") -> list[Any]:
        return [row[0] for row in await self.all(f"SELECT {column} FROM deliveries ORDER BY created_at, id")]

    async def are(self, state: str, count: int = 1) -> bool:
        return bool(await self.one("SELECT count(*) FROM deliveries WHERE state = :state", state=state) == count)


def _version(workflow: Workflow) -> Version:
    return Version(workflow.name, workflow.version, workflow.source)


@asynccontextmanager
async def rows_of(database: str, application: str = "test") -> AsyncIterator[Rows]:
    engine = make_engine(database, application=application, schema="nurture")
    try:
        yield Rows(engine)
    finally:
        await engine.dispose()


@asynccontextmanager
async def delivering(
    rows: Rows,
    sends: Mapping[str, tuple[int, Send]] | Send,
    *,
    instance: str = "one",
    endpoints: Endpoints = NOBODY,
    drain_s: float = 1.0,
    lease_s: float = LEASE_S,
    registry: CollectorRegistry | None = None,
    on_facts: Callable[[], None] = lambda: None,
) -> AsyncIterator[Deliverer]:
    """A deliverer at work until the block ends. One `send` stands for all queues of this test."""
    if not isinstance(sends, Mapping):
        sends = dict.fromkeys(("crm", MAIL), (2, sends))
    deliverer = Deliverer(
        rows.engine,
        sends,
        instance=instance,
        endpoints=endpoints,
        facts=FACTS,
        metrics=make_metrics(registry or CollectorRegistry()),
        on_facts=on_facts,
        drain_s=drain_s,
        lease_s=lease_s,
    )
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(deliverer.run(stopping))
        try:
            yield deliverer
        finally:
            stopping.set()
