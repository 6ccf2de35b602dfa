"""A consumer loop that copies what it reads, on a real broker and a real Postgres."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db.engine import make_engine
from shared.db.tables.offset_tables import offset_tables
from shared.kafka.loop.consumer import ConsumerLoop
from shared.kafka.producer import Producer
from shared.kafka.records import DeadLetter, Handled, Outgoing, Record, Sender
from shared.kafka.topics import Topics
from tests.support.topics import records_on
from tests.support.waiting import until


@dataclass
class Copying:
    """Stores each value with its place and publishes it to the updates topic."""

    topics: Topics
    fail_with: list[Exception] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)
    committed: int = 0
    work_s: float = 0.0  # what each record takes

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        if self.fail_with:
            raise self.fail_with.pop()
        await asyncio.sleep(self.work_s * len(records))
        if any(record.value.startswith(b"poison") for record in records):
            raise KeyError("ada@example.com")
        dead = [DeadLetter(r, "Permanent", "it says so") for r in records if r.value.startswith(b"bad")]
        good = [r for r in records if not r.value.startswith(b"bad")]
        if good:
            await conn.execute(
                sa.text('INSERT INTO copies (topic, partition, "offset", value) VALUES (:t, :p, :o, :v)'),
                [{"t": r.topic, "p": r.partition, "o": r.offset, "v": r.value.decode()} for r in good],
            )
        self.batches.append([r.value.decode() for r in records])
        outgoing = [Outgoing(self.topics.updates, r.key, r.value) for r in good]
        return Handled(outgoing, dead, lambda: self._count(len(records)))

    def _count(self, records: int) -> None:
        self.committed += records

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

    def sender(self, record: Record) -> Sender:
        name = record.value.decode().partition("-")[2]
        return Sender(name or "unknown", trusted=bool(name))


@asynccontextmanager
async def copies(database: str) -> AsyncIterator[AsyncEngine]:
    """Their table, and those of a consumer."""
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


@asynccontextmanager
async def consuming(
    engine: AsyncEngine, kafka: str, topics: Topics, handler: Copying, producer: Producer, *,
    instance: str = "one", registry: CollectorRegistry | None = None, max_records: int = 1000,
    stalled_s: float = 60.0,
) -> AsyncIterator[ConsumerLoop]:  # fmt: skip
    loop = ConsumerLoop(
        engine=engine,
        bootstrap=kafka,
        service="loop",
        group=f"{topics.prefix}loop",
        instance=instance,
        live=[topics.events],
        bulk=[topics.events_bulk],
        handler=handler,
        producer=producer,
        dead_letters=topics.dead_letters,
        registry=registry,
        max_records=max_records,
        max_bulk_records=min(500, max_records),
        stalled_s=stalled_s,
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
    return [(record.value, dict(record.headers)) for record in await records_on(kafka, topic)]


def numbered(topic: str, count: int, name: str = "v") -> list[Outgoing]:
    return [Outgoing(topic, str(n % 7).encode(), f"{name}{n:04}".encode()) for n in range(count)]


def poisonous(topic: str, count: int, *senders: str) -> list[Outgoing]:
    return [Outgoing(topic, b"k", f"poison{n}-{senders[n % len(senders)]}".encode()) for n in range(count)]
