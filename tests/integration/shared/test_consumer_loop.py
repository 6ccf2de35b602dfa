"""The one Kafka loop on a real broker and a real Postgres: offsets, fences, dead letters, telling again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db.engine import make_engine
from shared.db.offsets import offset_tables
from shared.errors import Permanent, Transient
from shared.kafka.consumer import ConsumerLoop, Stalled
from shared.kafka.dead_letters import DeadLetterLimit
from shared.kafka.producer import Producer
from shared.kafka.records import DeadLetter, Handled, Outgoing, Record
from shared.kafka.topics import Topics, create_topics
from tests.support.waiting import until


@dataclass
class Copying:
    """Stores each value with its place and publishes it to the updates topic."""

    topics: Topics
    fail_with: list[Exception] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        if self.fail_with:
            raise self.fail_with.pop()
        if any(record.value == b"poison" for record in records):
            raise ZeroDivisionError
        dead = [DeadLetter(r, "Permanent", "it says so") for r in records if r.value.startswith(b"bad")]
        good = [r for r in records if not r.value.startswith(b"bad")]
        if good:
            await conn.execute(
                sa.text('INSERT INTO copies (topic, partition, "offset", value) VALUES (:t, :p, :o, :v)'),
                [{"t": r.topic, "p": r.partition, "o": r.offset, "v": r.value.decode()} for r in good],
            )
        self.batches.append([r.value.decode() for r in records])
        return Handled([Outgoing(self.topics.updates, r.key, r.value) for r in good], dead)

    async def unpublished(
        self, conn: AsyncConnection, topic: str, partition: int, first: int, end: int
    ) -> Sequence[Outgoing]:
        rows = await conn.execute(
            sa.text(
                'SELECT value FROM copies WHERE topic = :t AND partition = :p AND "offset" >= :f AND "offset" < :e '
                'ORDER BY "offset"'
            ),
            {"t": topic, "p": partition, "f": first, "e": end},
        )
        return [Outgoing(self.topics.updates, None, row.value.encode()) for row in rows]


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="loop")
    metadata = sa.MetaData(schema="loop")
    offset_tables(metadata)
    sa.Table(
        "copies",
        metadata,
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("offset", sa.BigInteger, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    async with engine.begin() as conn:
        await conn.execute(sa.text("CREATE SCHEMA loop"))
        await conn.run_sync(metadata.create_all)
    yield engine
    await engine.dispose()


@pytest.fixture
async def topics(kafka: str, topic_prefix: str) -> Topics:
    topics = Topics(topic_prefix)
    await create_topics(kafka, topics, partitions=3, replication=1)
    return topics


@pytest.fixture
async def producer(kafka: str) -> AsyncIterator[Producer]:
    async with producing(kafka) as producer:
        yield producer


@asynccontextmanager
async def producing(kafka: str) -> AsyncIterator[Producer]:
    stopping = asyncio.Event()
    producer = Producer(kafka, client_id="test")
    task = asyncio.create_task(producer.run(stopping))
    await until(lambda: producer.ready)
    yield producer
    stopping.set()
    await task


@asynccontextmanager
async def consuming(
    engine: AsyncEngine, kafka: str, topics: Topics, handler: Copying, producer: Producer, *,
    instance: str = "one", limit: DeadLetterLimit | None = None,
) -> AsyncIterator[ConsumerLoop]:  # fmt: skip
    loop = ConsumerLoop(
        engine=engine,
        bootstrap=kafka,
        group=f"{topics.prefix}loop",
        instance=instance,
        live=[topics.events],
        bulk=[topics.events_bulk],
        handler=handler,
        producer=producer,
        dead_letters=topics.dead_letters,
        limit=limit,
    )
    stopping = asyncio.Event()
    task = asyncio.create_task(loop.run(stopping))
    try:
        await until(lambda: not loop.missing() or task.done())
        yield loop
    finally:
        stopping.set()
        await asyncio.wait_for(task, 20)


async def stored(engine: AsyncEngine) -> list[str]:
    async with engine.begin() as conn:
        return sorted((await conn.execute(sa.text("SELECT value FROM copies"))).scalars())


async def everything(kafka: str, topic: str) -> list[tuple[bytes, dict[str, bytes]]]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        found = []
        while any([await consumer.position(p) < end for p, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [(r.value, dict(r.headers)) for r in records]
        return found
    finally:
        await consumer.stop()


def numbered(topic: str, count: int, name: str = "v") -> list[Outgoing]:
    return [Outgoing(topic, str(n % 7).encode(), f"{name}{n:04}".encode()) for n in range(count)]


async def test_each_record_is_handled_and_told_once(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    sent = numbered(topics.events, 300)
    await producer.send_all(sent)
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: sum(map(len, handler.batches)) >= 300)
    assert await stored(engine) == sorted(out.value.decode() for out in sent)
    told = [value for value, _ in await everything(kafka, topics.updates)]
    assert sorted(told) == sorted(out.value for out in sent)

    async with consuming(engine, kafka, topics, handler, producer):  # a restart finds nothing to do again
        await producer.send_all(numbered(topics.events, 1, "later"))
        await until(lambda: handler.batches[-1] == ["later0000"])
    assert sum(map(len, handler.batches)) == 301
    assert len(await everything(kafka, topics.updates)) == 301


async def test_live_goes_before_bulk(engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer) -> None:
    await producer.send_all(numbered(topics.events_bulk, 3000, "bulk"))
    await producer.send_all(numbered(topics.events, 50, "live"))
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: sum(map(len, handler.batches)) >= 3050)
    values = [value for batch in handler.batches for value in batch]
    last_live = max(n for n, value in enumerate(values) if value.startswith("live"))
    assert last_live < 1100, "all live records come within the first two batches"


async def test_transient_trouble_repeats_the_batch(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all(numbered(topics.events, 20))
    handler = Copying(topics, fail_with=[Transient("busy"), Transient("busy")])
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: sum(map(len, handler.batches)) >= 20)
    assert len(await stored(engine)) == 20
    assert not await everything(kafka, topics.dead_letters)


async def test_one_poisonous_record_is_found_and_buried(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all([*numbered(topics.events, 40), Outgoing(topics.events, b"k", b"poison")])
    await producer.send_all([*numbered(topics.events, 40, "after"), Outgoing(topics.events, b"k", b"bad one")])
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: sum(map(len, handler.batches)) >= 81)
    assert len(await stored(engine)) == 80
    dead = dict(await everything(kafka, topics.dead_letters))
    assert set(dead) == {b"poison", b"bad one"}
    assert dead[b"poison"]["error-class"] == b"ZeroDivisionError"
    assert dead[b"bad one"]["error-message"] == b"it says so"
    assert dead[b"poison"]["origin-topic"] == topics.events.encode()


async def test_too_many_dead_letters_halt_and_lose_nothing(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    limit = DeadLetterLimit(consecutive=10, of_last_thousand=10)
    async with consuming(engine, kafka, topics, Copying(topics), producer, limit=limit) as loop:
        await producer.send_all(numbered(topics.events, 30, "bad"))
        await until(lambda: any("could not be processed" in reason for reason in loop.missing()))
    async with engine.begin() as conn:
        assert (await conn.execute(sa.text("SELECT sum(next_offset) FROM consumer_offsets"))).scalar_one() == 0


async def test_committed_but_untold_is_told_on_assignment(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all(numbered(topics.events, 10))
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: sum(map(len, handler.batches)) >= 10)
    async with engine.begin() as conn:  # as after a crash between commit and publish
        await conn.execute(sa.text("UPDATE consumer_offsets SET published = 0"))
    async with consuming(engine, kafka, topics, handler, producer):
        pass
    told = [value for value, _ in await everything(kafka, topics.updates)]
    assert sorted(told) == sorted([out.value for out in numbered(topics.events, 10)] * 2)


async def test_a_process_whose_offset_was_moved_gives_up_and_takes_the_database_s_word(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await producer.send_all([Outgoing(topics.events, b"k", b"one")])
        await until(lambda: handler.batches == [["one"]])
        async with engine.begin() as conn:  # another process did the next record
            await conn.execute(
                sa.text("UPDATE consumer_offsets SET next_offset = 2 WHERE topic = :t AND next_offset = 1"),
                {"t": topics.events},
            )
        await producer.send_all([Outgoing(topics.events, b"k", b"two"), Outgoing(topics.events, b"k", b"three")])
        await until(lambda: handler.batches[-1] == ["three"])
    assert await stored(engine) == ["one", "three"]


async def test_two_processes_share_the_partitions(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    first, second = Copying(topics), Copying(topics)
    async with consuming(engine, kafka, topics, first, producer, instance="one"):
        await producer.send_all(numbered(topics.events, 100, "a"))
        async with consuming(engine, kafka, topics, second, producer, instance="two"):
            await producer.send_all(numbered(topics.events, 500, "b"))
            await until(lambda: sum(map(len, first.batches)) + sum(map(len, second.batches)) >= 600)
    assert len(await stored(engine)) == 600


async def test_an_answer_too_large_for_kafka_is_a_dead_letter_not_a_crash_loop(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    class Inflating(Copying):
        async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
            handled = await super().handle(conn, records)
            return Handled([out._replace(value=out.value * 300_000) for out in handled.outgoing], handled.dead)

    await producer.send_all([Outgoing(topics.events, b"k", b"large")])
    async with consuming(engine, kafka, topics, Inflating(topics), producer):

        async def buried() -> bool:
            return [value for value, _ in await everything(kafka, topics.dead_letters)] == [b"large"]

        await until(buried)
    assert await stored(engine) == []


async def test_a_message_too_large_is_refused_with_the_reason(topics: Topics, producer: Producer) -> None:
    with pytest.raises(Permanent, match="larger"):
        await producer.send(Outgoing(topics.events, b"k", b"x" * 2_000_000))


async def test_without_kafka_a_send_says_so_at_once() -> None:
    producer = Producer("127.0.0.1:1", client_id="test")
    with pytest.raises(Transient):
        await producer.send(Outgoing("any", None, b""))


async def test_with_lag_and_no_progress_it_ends_so_that_somebody_starts_it_anew(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    class Hanging(Copying):
        async def handle(self, _conn: AsyncConnection, _records: Sequence[Record]) -> Handled:
            await asyncio.Event().wait()
            raise AssertionError

    await producer.send_all(numbered(topics.events, 5))
    loop = ConsumerLoop(
        engine=engine,
        bootstrap=kafka,
        group=f"{topics.prefix}loop",
        instance="one",
        live=[topics.events],
        bulk=[],
        handler=Hanging(topics),
        producer=producer,
        dead_letters=topics.dead_letters,
        stalled_s=1.0,
    )
    with pytest.raises(Stalled, match="5 records behind"):
        await asyncio.wait_for(loop.run(asyncio.Event()), 60)
