"""How many events a second one scoring process works off, next to the limit in the same run.

The limit is a loop that only inserts the same raw events in the same batches and publishes the same bytes: same
Kafka, same Postgres, same batches, no contacts, no values.

The same with two processes that share the partitions: how many times as many (aim: 1.5 where cores allow).

With `--replay`, how long `firsthour replay` then takes for the same contacts and events.

    python -m benchmarks.scoring --events 200000
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psutil
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.backlog import mixed, publish, somebody
from benchmarks.stack import BenchStack, bench_stack, is_ready
from shared.db.engine import make_engine
from shared.db.migrate import migrate
from shared.db.tables.offset_tables import offset_tables
from shared.kafka.loop.consumer import ConsumerLoop
from shared.kafka.producer import Producer
from shared.kafka.records import Handled, Outgoing, Record, Sender
from shared.kafka.topics import Topics
from tests.support.processes import free_ports

ROOT = Path(__file__).parents[1]


class OnlyStores:
    """The limit: what any consumer that keeps its events and tells of them has to do."""

    def __init__(self, topics: Topics) -> None:
        self.topics = topics

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        await conn.execute(
            sa.text(
                'INSERT INTO raw (topic, partition, "offset", body) SELECT * FROM unnest('
                "CAST(:t AS text[]), CAST(:p AS int[]), CAST(:o AS bigint[]), CAST(:b AS bytea[]))"
            ),
            {
                "t": [r.topic for r in records],
                "p": [r.partition for r in records],
                "o": [r.offset for r in records],
                "b": [r.value for r in records],
            },
        )
        return Handled([Outgoing(self.topics.updates, r.key, r.value) for r in records])

    async def unpublished(self, *_asked: Any) -> Sequence[Outgoing]:
        return ()

    def sender(self, _record: Record) -> Sender:
        return Sender("unknown", trusted=False)


async def settled(database: str, schema: str) -> int:
    conn = await asyncpg.connect(database)
    try:
        return int(await conn.fetchval(f"SELECT coalesce(sum(next_offset), 0) FROM {schema}.consumer_offsets"))
    finally:
        await conn.close()


async def disk(database: str, events: int) -> dict[str, int]:
    """Bytes that each table takes, with its indexes and what is dead in it, for each event."""
    conn = await asyncpg.connect(database)
    try:
        rows = await conn.fetch("SELECT relname, pg_total_relation_size(relid) AS size FROM pg_stat_user_tables "
                                "WHERE schemaname = 'scoring'")  # fmt: skip
        return {row["relname"]: round(row["size"] / events) for row in rows if row["size"] >= events}
    finally:
        await conn.close()


async def run_limit(stack: BenchStack, events: int) -> dict[str, Any]:
    topics = Topics("limit.")
    await publish(stack.kafka, topics, mixed(events, topics.events))
    engine = make_engine(stack.database, application="benchmark", schema="raw")
    metadata = sa.MetaData(schema="raw")
    offset_tables(metadata)
    sa.Table("raw", metadata, sa.Column("topic", sa.Text), sa.Column("partition", sa.Integer),
             sa.Column("offset", sa.BigInteger), sa.Column("body", sa.LargeBinary))  # fmt: skip
    async with engine.begin() as conn:
        await conn.execute(sa.text("CREATE SCHEMA raw"))
        await conn.run_sync(metadata.create_all)
    stopping = asyncio.Event()
    producer = Producer(stack.kafka, client_id="benchmark")
    loop = ConsumerLoop(
        engine=engine, bootstrap=stack.kafka, group="limit", instance="limit", live=[topics.events], bulk=[],
        handler=OnlyStores(topics), producer=producer, dead_letters=topics.dead_letters, service="limit",
    )  # fmt: skip
    tasks = [asyncio.create_task(producer.run(stopping)), asyncio.create_task(loop.run(stopping))]
    start = None
    while True:
        done = await settled(stack.database, "raw")
        if done and start is None:
            start, first = time.monotonic(), done
        if done >= events:
            break
        await asyncio.sleep(0.1)
    assert start is not None
    rate = (done - first) / (time.monotonic() - start)
    stopping.set()
    await asyncio.gather(*tasks)
    await engine.dispose()
    return {"events_per_second": round(rate)}


def postgres_cpu() -> float:
    """Seconds that the servers started by this process have used, with their children that have ended."""
    used = 0.0
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # servers for a connection come and go
            if each.name().startswith("postgres"):
                used += sum(each.cpu_times()[:4])
    return used


@contextmanager
def started(stack: BenchStack, folder: Path, prefix: str, count: int) -> Iterator[list[psutil.Popen]]:
    """So many scoring processes, each of which consumes, until the block ends."""
    ports = free_ports(count)
    environment = {
        **os.environ, "FIRSTHOUR_KAFKA": stack.kafka, "FIRSTHOUR_DATABASE": stack.database,
        "FIRSTHOUR_STATE": str(folder / "state"), "FIRSTHOUR_TOPIC_PREFIX": prefix,
    }  # fmt: skip
    with (folder / "scoring.log").open("wb") as log:
        running = [
            psutil.Popen(
                [sys.executable, "-m", "services.cli.main", "scoring"],
                cwd=ROOT, stdout=log, stderr=log,
                env={**environment, "FIRSTHOUR_SCORING_PORT": str(port), "FIRSTHOUR_INSTANCE": f"benchmark-{place}"},
            )
            for place, port in enumerate(ports)
        ]  # fmt: skip
    try:
        for process, port in zip(running, ports, strict=True):
            while not is_ready(port):
                if process.poll() is not None:
                    raise SystemExit((folder / "scoring.log").read_text()[-2000:])
                time.sleep(0.1)
        yield running
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def seconds_of(processes: Iterable[psutil.Process]) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in processes)


async def run_scoring(
    stack: BenchStack,
    folder: Path,
    events: int,
    *,
    prefix: str = "",
    address: Callable[[int], str] = somebody,
    count: int = 1,
) -> dict[str, Any]:
    """What so many processes make of a backlog, from when all of them work at it.

    `address`: of each of the people in it.
    """
    topics = Topics(prefix)
    await publish(stack.kafka, topics, mixed(events, topics.events, address=address))
    await migrate(stack.database, "scoring")
    with started(stack, folder, prefix, count) as running:
        while not (first := await settled(stack.database, "scoring")):
            await asyncio.sleep(0.1)
        start, before = time.monotonic(), [each.memory_info().rss for each in running]
        cpu, postgres = seconds_of(running), postgres_cpu()
        while (done := await settled(stack.database, "scoring")) < events:
            if any(each.poll() is not None for each in running):
                raise SystemExit((folder / "scoring.log").read_text()[-2000:])
            await asyncio.sleep(0.1)
        rate = (done - first) / (time.monotonic() - start)
        return {
            "events_per_second": round(rate),
            "rss_mb": [max(before) // 2**20, max(each.memory_info().rss for each in running) // 2**20],
            "cpu_us_per_event": round((seconds_of(running) - cpu) / (done - first) * 1e6, 1),
            "postgres_us_per_event": round((postgres_cpu() - postgres) / (done - first) * 1e6, 1),
            "disk_bytes_per_event": await disk(stack.database, events),
        }


def run_replay(stack: BenchStack, folder: Path) -> dict[str, Any]:
    environment = {
        **os.environ, "FIRSTHOUR_KAFKA": stack.kafka, "FIRSTHOUR_DATABASE": stack.database,
        "FIRSTHOUR_STATE": str(folder / "state"),
    }  # fmt: skip
    started, before = time.monotonic(), os.times()
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "replay", "--json"], cwd=ROOT, env=environment, check=True,
        capture_output=True,
    )  # fmt: skip
    taken, after, report = time.monotonic() - started, os.times(), json.loads(done.stdout)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "contacts": report["contacts"],
        "different": report["different"],
        "seconds": round(taken, 1),
        "contacts_per_second": round(report["contacts"] / taken),
        "events_per_second": round(report["events"] / taken),
        "cpu_us_per_event": round(cpu / report["events"] * 1e6, 1),
    }


def measured(options: argparse.Namespace, count: int, *, limit: bool, replay: bool) -> dict[str, Any]:
    """On a Kafka and Postgres of its own."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        stack = cleanup.enter_context(bench_stack(folder))
        result: dict[str, Any] = {"events": options.events, "processes": count}
        if limit:
            result["limit"] = asyncio.run(run_limit(stack, options.events))
        result["scoring"] = asyncio.run(run_scoring(stack, folder, options.events, count=count))
        if replay:
            result["replay"] = run_replay(stack, folder)
        if limit:
            share = result["scoring"]["events_per_second"] / result["limit"]["events_per_second"]
            result["share_of_limit"] = round(share, 2)
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--without-limit", action="store_true")
    parser.add_argument("--replay", action="store_true", help="replay afterwards, too")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    rates = []
    for place, count in enumerate(options.processes):
        first = place == 0
        result = measured(options, count, limit=first and not options.without_limit, replay=first and options.replay)
        print(json.dumps(result), flush=True)
        rates.append(result["scoring"]["events_per_second"])
    print(json.dumps({"times the first": [round(each / rates[0], 2) for each in rates]}))


if __name__ == "__main__":
    main()
