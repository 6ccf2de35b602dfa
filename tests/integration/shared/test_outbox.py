"""Facts on their way to Kafka: by their lanes, in order, by one process at a time, and none is left at a stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.clock import new_id
from shared.db.engine import make_engine
from shared.db.tables import facts
from shared.db.tables.facts import Fact
from shared.events.lanes import Lane
from shared.kafka.outbox import FactPublisher
from shared.kafka.producer import Producer
from shared.kafka.topics import Topics
from tests.support.topics import on_the_topic
from tests.support.waiting import until

LOCK = 4711


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="nurture")
    yield engine
    await engine.dispose()


@asynccontextmanager
async def publishing(
    engine: AsyncEngine, producer: Producer, topics: Topics, published: Counter
) -> AsyncIterator[FactPublisher]:
    publisher, stopping = FactPublisher(engine, producer, topics, published, lock=LOCK), asyncio.Event()
    running = asyncio.create_task(publisher.run(stopping))
    try:
        yield publisher
    finally:
        stopping.set()
        await running


async def insert(engine: AsyncEngine, *values: bytes, lane: Lane = "live") -> None:
    async with engine.begin() as conn:
        await facts.insert(conn, [Fact(new_id(), b"k", value, lane) for value in values])


async def left(engine: AsyncEngine) -> int:
    async with engine.connect() as conn:
        return int((await conn.execute(sa.text("SELECT count(*) FROM facts"))).scalar_one())


async def publishers(engine: AsyncEngine) -> int:
    """How many connections hold the lock."""
    held = sa.text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    async with engine.connect() as conn:
        return int((await conn.execute(held, {"lock": LOCK})).scalar_one())


def a_counter(registry: CollectorRegistry) -> Counter:
    return Counter("facts", "of this test", registry=registry)


async def test_facts_go_by_their_lane_in_order_and_are_forgotten(
    engine: AsyncEngine, producer: Producer, topics: Topics, kafka: str
) -> None:
    registry = CollectorRegistry()
    values = [b"%03d" % n for n in range(100)]
    async with publishing(engine, producer, topics, a_counter(registry)) as publisher:
        await insert(engine, *values)
        await insert(engine, b"history", lane="bulk")
        publisher.wake(urgent=True)
        await until(lambda: _is(left, engine, 0))
        await insert(engine, b"later")
        publisher.wake()
        await until(lambda: _is(left, engine, 0))
    assert await on_the_topic(kafka, topics.events, 101) == [*values, b"later"]
    assert await on_the_topic(kafka, topics.events_bulk, 1) == [b"history"]
    assert registry.get_sample_value("facts_total") == 102


async def test_one_process_publishes_at_a_time_and_the_next_one_goes_on(
    engine: AsyncEngine, producer: Producer, topics: Topics, kafka: str
) -> None:
    registries = [CollectorRegistry(), CollectorRegistry()]
    async with publishing(engine, producer, topics, a_counter(registries[1])):
        await until(lambda: _is(publishers, engine, 1))
        async with publishing(engine, producer, topics, a_counter(registries[0])) as other:
            for n in range(3):
                await insert(engine, b"%d" % n)
                other.wake(urgent=True)
                await until(lambda: _is(left, engine, 0))
            assert await publishers(engine) == 1
    assert registries[0].get_sample_value("facts_total") == 0
    assert await publishers(engine) == 0, "its connection is closed, not only given back"
    assert await on_the_topic(kafka, topics.events, 3) == [b"0", b"1", b"2"]


async def test_what_is_there_at_the_stop_is_published_before_the_end(
    engine: AsyncEngine, producer: Producer, topics: Topics
) -> None:
    async with publishing(engine, producer, topics, a_counter(CollectorRegistry())):
        await until(lambda: _is(publishers, engine, 1))
        await insert(engine, b"last")
    assert await left(engine) == 0


async def _is(count: object, engine: AsyncEngine, expected: int) -> bool:
    return bool(await count(engine) == expected)  # type: ignore[operator] # one of those above
