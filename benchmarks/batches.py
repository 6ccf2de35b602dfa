"""What a batch costs, and what each record in it: processor time of the service and statements, without Kafka.

Batches of 1, 4, 16 and 64 leads of new people (for scoring; nurture begins a run with a webhook for each) go through
the loop's own settling on a real Postgres. A line through the medians tells the price of a batch from that of a record.
The limit beside it inserts the same bytes, moves the offset and commits.

    python -m benchmarks.batches --rounds 150
"""

import argparse
import json
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import sqlalchemy as sa
import uvloop
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from benchmarks.nurture import an_update
from benchmarks.stack import bench_postgres
from services.nurture.channels.registry import CHANNELS
from services.nurture.facts import FactMaker
from services.nurture.language.compile import load_workflows
from services.nurture.language.versions import with_live
from services.nurture.metrics import make_metrics
from services.nurture.outlets import load_outlets
from services.nurture.runs.handler import UpdatesHandler
from services.scoring.config import load_scoring
from services.scoring.consume.handler import Scoring
from services.scoring.metrics import Metrics
from services.scoring.models import InForce
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from shared.db.migrate import migrate
from shared.db.tables import offsets
from shared.events.envelope import encode, make_event
from shared.events.identity import Identity
from shared.events.types import LeadCaptured
from shared.kafka.loop.batches import Batches
from shared.kafka.loop.lanes import Lanes
from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.loop.publishing import Publishing
from shared.kafka.records import HandleAtOnce, Handled, Handler, Outgoing, Record, Sender
from shared.kafka.topics import Topics

_ROOT: Final = Path(__file__).parents[1]
_SIZES: Final = (1, 4, 16, 64)
_TOPICS: Final = Topics("")


class NoKafka:
    """In place of the producer: everything is acknowledged at once."""

    async def send_all(self, _outgoing: Sequence[Outgoing]) -> None:
        """Nothing is sent."""


class OnlyStores:
    """The limit."""

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        """One insert."""
        await conn.execute(
            sa.text("INSERT INTO raw (body) SELECT unnest(CAST(:bodies AS bytea[]))"),
            {"bodies": [record.value for record in records]},
        )
        return Handled()

    async def unpublished(self, *_asked: Any) -> Sequence[Outgoing]:
        """Nothing is published."""
        return ()

    def sender(self, _record: Record) -> Sender:
        """Nobody."""
        return Sender("unknown", trusted=False)


def leads(count: int) -> Iterator[bytes]:
    """Leads of people nobody knows yet."""
    for _ in range(count):
        identifier, now = new_id(), utc_now()
        email = f"{identifier.hex}@example.com"
        data = LeadCaptured(
            identity=Identity(email=email), form="contact", page="/pricing", interest="pricing", name="Ada Lovelace",
            message="Please call me about the larger plan; mornings suit us best.",
        )  # fmt: skip
        yield encode(
            make_event(id=identifier, source="/sources/website", type="lead.captured", time=now, receivedtime=now,
                       subject=f"email:{email}", data=data, trust="trusted")
        )  # fmt: skip


def updates(count: int) -> Iterator[bytes]:
    """What scoring makes of such leads."""
    for _ in range(count):
        yield an_update(new_id(), "lead", 1)


class Room:
    """One service's part in the loop, ready to settle batches of one topic partition."""

    def __init__(self, engine: AsyncEngine, handler: Handler, topic: str, at_once: HandleAtOnce | None = None) -> None:
        """Nothing is claimed before `begin`."""
        metrics = LoopMetrics(CollectorRegistry())
        self._engine = engine
        self._topic = topic
        self._at = 0
        self._publishing = Publishing(engine, NoKafka())  # type: ignore[arg-type] # all that it needs of one
        self._batches = Batches(
            engine, handler, self._publishing, Lanes(engine, "bench", [topic], metrics), metrics,
            dead_letters=_TOPICS.dead_letters, group="bench", at_once=at_once,
        )  # fmt: skip

    async def begin(self) -> None:
        """Claim the partition."""
        async with self._engine.begin() as conn:
            await offsets.claim(conn, {(self._topic, 0): 0})
        self._publishing.begin({TopicPartition(self._topic, 0): 0})
        self._batches.next[TopicPartition(self._topic, 0)] = 0

    async def settle(self, values: Sequence[bytes]) -> float:
        """Settle one batch; the seconds of processor time that it took."""
        records = [Record(self._topic, 0, self._at + n, b"k", value, 0) for n, value in enumerate(values)]
        self._at += len(records)
        began = time.process_time()
        await self._batches.settle(records)
        await self._publishing.acknowledged()
        return time.process_time() - began


@asynccontextmanager
async def scoring(database: str) -> AsyncIterator[Room]:
    """Scoring's."""
    await migrate(database, "scoring")
    engine = make_engine(database, application="bench", schema="scoring", keeps_plans=True)
    models = InForce(load_scoring(_ROOT / "config"))
    handler = Scoring(models, _TOPICS, Metrics(CollectorRegistry()), utc_now, new_id)
    yield Room(engine, handler, _TOPICS.events, handler.at_once)
    await engine.dispose()


@asynccontextmanager
async def nurture(database: str, folder: Path) -> AsyncIterator[Room]:
    """Nurture's, with one workflow of one webhook."""
    await migrate(database, "nurture")
    workflow = "workflow: one\ntrigger: {on: lead.captured}\nsteps:\n  - send: {webhook: crm, deadline: 5m}\n  - exit\n"
    (folder / "config" / "workflows").mkdir(parents=True)
    (folder / "config" / "workflows" / "one.yaml").write_text(workflow)
    crm = {"url": "http://127.0.0.1:9/", "secrets": ["env:SECRET"], "allow_private": True}
    (folder / "config" / "endpoints.yaml").write_text(json.dumps({"webhooks": {"crm": crm}}))
    environment = {"SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    outlets = load_outlets(folder / "config", environment=environment, state=folder / "state")
    versions = with_live(load_workflows(folder / "config", undecided=lambda _: None), lambda _: None, CHANNELS)
    engine = make_engine(database, application="bench", schema="nurture", keeps_plans=True)
    async with engine.begin() as conn:
        await versions.keep_live(conn)
    handler = UpdatesHandler(
        versions, outlets.endpoints, FactMaker(b"benchmark"), make_metrics(CollectorRegistry()),
        on_sendable=lambda _queues: None,
    )  # fmt: skip
    yield Room(engine, handler, _TOPICS.updates, handler.at_once)
    await engine.dispose()


@asynccontextmanager
async def limit(database: str) -> AsyncIterator[Room]:
    """Only stores."""
    engine = make_engine(database, application="bench", schema="scoring", keeps_plans=True)
    async with engine.begin() as conn:
        await conn.execute(sa.text("CREATE TABLE raw (body bytea)"))
    yield Room(engine, OnlyStores(), "raw")
    await engine.dispose()


def line(medians: dict[int, float]) -> tuple[float, float]:
    """Milliseconds of a batch, and of a record in it, by least squares."""
    slope, intercept = statistics.linear_regression(list(medians), list(medians.values()))
    return round(intercept * 1e3, 3), round(slope * 1e3, 3)


async def run(database: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Everything, in turns, so that a busy moment of the machine is shared by all."""
    spent: dict[str, dict[int, list[float]]] = {}
    result: dict[str, Any] = {}
    async with scoring(database) as first, nurture(database, folder) as second, limit(database) as third:
        rooms = {"scoring": (first, leads), "nurture": (second, updates), "limit": (third, leads)}
        for room, make in rooms.values():
            await room.begin()
            for _ in range(20):
                await room.settle(list(make(1)))
        for _ in range(rounds):
            for name, (room, make) in rooms.items():
                for size in _SIZES:
                    taken = await room.settle(list(make(size)))
                    spent.setdefault(name, {}).setdefault(size, []).append(taken)
        for name in rooms:
            medians = {size: statistics.median(taken) for size, taken in spent[name].items()}
            batch, record = line(medians)
            result[name] = {
                "batch_ms": batch,
                "record_ms": record,
                "medians_ms": {size: round(each * 1e3, 2) for size, each in medians.items()},
            }
    return result


async def _run(rounds: int) -> dict[str, Any]:
    with TemporaryDirectory(prefix="firsthour-bench-") as folder:
        async with bench_postgres(fsync=True) as database:
            return await run(database, Path(folder), rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=150)
    options = parser.parse_args()
    for name, room in uvloop.run(_run(options.rounds)).items():
        print(name, json.dumps(room))


if __name__ == "__main__":
    main()
