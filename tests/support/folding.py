"""Scoring's handler on Postgres alone: batches, each in a transaction of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.consume.handler import Scoring
from services.scoring.metrics import Metrics
from services.scoring.models import InForce
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from shared.events.envelope import Decoded, encode
from shared.events.updates import UpdateEnvelope, decode_update
from shared.kafka.records import DeadLetter, Handled, Outgoing, Record
from shared.kafka.topics import Topics
from tests.unit.scoring.builders import a_model

TOPICS = Topics()


@dataclass
class Folding:
    """A handler, its metrics and its tables."""

    engine: AsyncEngine
    clock: Callable[[], datetime] = utc_now
    new_id: Callable[[], UUID] = new_id
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    outgoing: list[Outgoing] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    offset: int = 0

    def __post_init__(self) -> None:
        """As the service makes it."""
        self.metrics = Metrics(self.registry)
        self.handler = Scoring(InForce(a_model()), TOPICS, self.metrics, self.clock, self.new_id)

    def records(self, *events: Decoded | bytes, topic: str = TOPICS.events) -> list[Record]:
        """The next records of partition 0."""
        values = [each if isinstance(each, bytes) else encode(each.event) for each in events]
        first, self.offset = self.offset, self.offset + len(values)
        return [Record(topic, 0, first + place, None, value, 0) for place, value in enumerate(values)]

    async def handles(self, *events: Decoded | bytes, topic: str = TOPICS.events) -> Handled:
        """One batch of partition 0, committed; nothing that follows the commit is done."""
        records = self.records(*events, topic=topic)
        async with self.engine.begin() as conn:
            handled = await self.handler.handle(conn, records)
        self.outgoing += handled.outgoing
        self.dead += handled.dead
        return handled

    async def folds(self, *events: Decoded | bytes, topic: str = TOPICS.events) -> list[UpdateEnvelope]:
        """One batch with what follows its commit; its updates."""
        handled = await self.handles(*events, topic=topic)
        if handled.after_commit is not None:
            handled.after_commit()
        return [decode_update(each.value) for each in handled.outgoing]

    async def all(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.engine.begin() as conn:
            result = await conn.execute(sa.text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    async def one(self, statement: str, **values: Any) -> Any:
        ((value,),) = await self.all(statement, **values)
        return value

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@asynccontextmanager
async def folding(
    database: str, clock: Callable[[], datetime] = utc_now, new_id: Callable[[], UUID] = new_id
) -> AsyncIterator[Folding]:
    engine = make_engine(database, application="test", schema="scoring")
    try:
        yield Folding(engine, clock, new_id)
    finally:
        await engine.dispose()
