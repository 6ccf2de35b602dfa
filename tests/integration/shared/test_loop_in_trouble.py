"""The Kafka loop while a dependency is away, and on a log that seems to end too early: it says so, waits, and goes on."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from structlog.testing import capture_logs

from shared.errors import Transient
from shared.kafka.loop.consumer import ConsumerLoop
from shared.kafka.producer import Producer
from shared.kafka.records import Handled, Record
from shared.kafka.topics import Topics
from tests.support.copying import Copying, consuming, copies, numbered
from tests.support.waiting import until

TRIES = 6  # which take longer than a stall
STALLED_S = 0.5


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    async with copies(database) as engine:
        yield engine


@dataclass
class Waiting(Copying):
    """What it needs is away for six tries; `said` is what its loop said of itself at each."""

    loop: ConsumerLoop | None = None
    said: list[list[str]] = field(default_factory=list)

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        if self.loop is not None and len(self.said) < TRIES:
            self.said.append(self.loop.missing())
            raise Transient("away")
        return await super().handle(conn, records)


async def test_who_waits_says_so_until_it_goes_on_and_is_not_taken_for_stalled(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    handler = Waiting(topics)
    async with consuming(engine, kafka, topics, handler, producer, stalled_s=STALLED_S) as loop:
        handler.loop = loop
        await producer.send_all(numbered(topics.events, 3))
        await until(lambda: handler.committed == 3)
        await until(lambda: loop.missing() == [])
    assert [bool(each) for each in handler.said] == [False, False] + [True] * (TRIES - 2), "once it is repeated at once"
    (reason,) = handler.said[-1]
    assert reason.startswith("loop: repeating a batch")


async def test_a_log_that_ends_too_early_is_looked_at_again_before_it_counts_as_another(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await producer.send_all(numbered(topics.events_bulk, 3))
        await until(lambda: handler.committed == 3)
    async with engine.begin() as conn:
        await conn.execute(sa.text("UPDATE consumer_offsets SET next_offset = 5 WHERE next_offset = 3"))
    with capture_logs() as logged:
        async with consuming(engine, kafka, topics, handler, producer) as loop:
            await until(lambda: any("is not the log that was read" in each for each in loop.attention()))
    events = [each["event"] for each in logged]
    assert events[: events.index("lane_halted")].count("partitions_given_up") == 3
