"""How soon a live event's update is published: from ingest's answer until a consumer has read it.

Ingest and scoring alone, on a Kafka and Postgres of their own; an open loop of leads of new people, then of engagement
of the same. Beside it, in the same run and on the same brokers, the limit: the first half of the `chain`.

    python -m benchmarks.updates --rates 20 50 200 --seconds 30
"""

import argparse
import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from benchmarks import chain
from benchmarks.between import spent
from benchmarks.chain import Chain, chained
from benchmarks.end_to_end import LEAD, Way, percentiles, post_each, somebody
from benchmarks.stack import bench_stack
from shared.kafka.topics import Topics
from tests.support.processes import Firsthour, free_ports, installed

_PARTS: Final = ("ingest", "scoring")
_AIMS: Final = {"p50": 8, "p99": 40}  # ms, at the highest rate
_WAYS: Final = {
    "leads": LEAD,
    "engagement": Way(
        "/v1/track",
        "APP_KEY",
        lambda email: {"userId": email, "event": "Product Viewed", "properties": {"sku": "A-1", "price": 12.5}},
    ),
}
_WHOSE: Final = re.compile(rb"[0-9a-f]{16}@example\.com")
_WARM_UP: Final = 1000  # events of each kind


@asynccontextmanager
async def reading(kafka: str, topic: str) -> AsyncIterator[dict[str, float]]:
    """When each person's first update was read, by address."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="latest", group_id=None)
    read: dict[str, float] = {}

    async def note() -> None:
        async for record in consumer:
            if (whose := _WHOSE.search(record.value)) is not None:
                read.setdefault(whose[0].decode(), time.monotonic())

    await consumer.start()
    noting = asyncio.create_task(note())
    try:
        yield read
    finally:
        noting.cancel()
        await asyncio.gather(noting, return_exceptions=True)
        await consumer.stop()


async def at_rate(
    firsthour: Firsthour | Chain, read: dict[str, float], kind: str, addresses: list[str], rate: float
) -> dict[str, Any]:
    """One row: milliseconds, and processor time of everything that takes part."""
    read.clear()
    before = spent(firsthour)
    posted = await post_each(firsthour, addresses, rate=rate, way=_WAYS[kind])
    async with asyncio.timeout(60):
        while len(read) < len(addresses):
            await asyncio.sleep(0.05)
    after = spent(firsthour)
    used = {name: (after[name].cpu_s - before[name].cpu_s) * 1000 / len(addresses) for name in after}
    return {
        "kind": kind,
        "rate": rate,
        "milliseconds": percentiles([read[who] - at for who, at in posted.answered.items()]),
        "to_the_answer": percentiles([posted.answered[who] - at for who, at in posted.due.items()]),
        "cpu_ms_an_event": {name: round(each, 2) for name, each in used.items()},
    }


async def measure(
    what: str, firsthour: Firsthour | Chain, kafka: str, topic: str, options: argparse.Namespace
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with reading(kafka, topic) as read:
        for rate in (None, *options.rates):
            people = [somebody() for _ in range(_WARM_UP if rate is None else int(rate * options.seconds))]
            for kind in _WAYS:
                row = await at_rate(firsthour, read, kind, people, rate or 100)
                if rate is not None:
                    rows.append(row)
                    print(json.dumps({"what": what, **row}), flush=True)
    return rows


def compared(ours: Mapping[str, Any], limit: Mapping[str, Any]) -> dict[str, Any]:
    share = {name: round(limit["milliseconds"][name] / ours["milliseconds"][name], 2) for name in _AIMS}
    return {"kind": ours["kind"], "rate": ours["rate"], "of the limit": share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[20, 50, 200])
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        stack = cleanup.enter_context(bench_stack(folder))
        receiver, smtp = free_ports(2)  # nobody is there
        with installed(
            stack.kafka, stack.database, "", folder,
            receiver_port=receiver, smtp_port=smtp, settings={"FIRSTHOUR_TOPIC_PARTITIONS": "12"},
        ) as firsthour:  # fmt: skip
            firsthour.stop(["nurture"])
            ours = asyncio.run(measure("firsthour", firsthour, stack.kafka, Topics("").updates, options))
        with chained(stack.kafka, stack.database, receiver, _PARTS) as limit:
            limits = asyncio.run(measure("limit", limit, stack.kafka, chain.UPDATES, options))
    for one, other in zip(ours, limits, strict=True):
        print(json.dumps(compared(one, other)))
    print(json.dumps({"aim, ms": _AIMS, "missed": [
        (row["kind"], name) for row in ours if row["rate"] == max(options.rates)
        for name, most in _AIMS.items() if row["milliseconds"][name] >= most
    ]}))  # fmt: skip


if __name__ == "__main__":
    main()
