"""How fast a lead is followed up: POST to webhook received, on real processes.

`latency`: open loop, so many leads a second for so many seconds; p50, p95, p99, max of POST → webhook received.
`backlog`: engagement events wait in a lane while leads are posted; how late is the last first follow-up?

    python -m benchmarks.end_to_end latency --rate 50 --seconds 60
    python -m benchmarks.end_to_end backlog --events 100000 --leads 200 --lane bulk
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import aiohttp
import psutil

from benchmarks.chain import Chain
from benchmarks.stack import bench_stack
from shared.clock import new_id, utc_now
from shared.events.envelope import KAFKA_HEADERS, encode, make_event
from shared.events.identity import Identity, partition_key
from shared.events.types import EngagementRecorded
from shared.kafka.records import Outgoing
from shared.kafka.topics import Topics
from shared.secrets import ensure_key_secret
from tests.support.processes import Firsthour, free_ports, installed
from tests.support.producing import producing
from tests.support.receiver import receiving_apart
from tests.support.webhook_receiver import Receiver

FIRST: Final = "/webhooks/marketing-automation"


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Milliseconds at p50, p95, p99 and the maximum."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    picked = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(seconds)}
    return {name: round(value * 1000, 1) for name, value in picked.items()}


def somebody() -> str:
    """The address of a person whom nobody knows yet."""
    return f"{secrets.token_hex(8)}@example.com"


class Way(NamedTuple):
    """How something that a person did is posted: to which path, with whose key, as which body."""

    path: str
    key: str
    body: Callable[[str], dict[str, Any]]


LEAD: Final = Way(
    "/v1/leads",
    "WEBSITE_KEY",
    lambda email: {"email": email, "name": "Ada", "company": "Engines", "interest": "pricing"},
)


class Posted(NamedTuple):
    """By address: when each was due to be posted, and when it was answered."""

    due: dict[str, float]
    answered: dict[str, float]


async def post_each(firsthour: Firsthour | Chain, addresses: Iterable[str], *, rate: float, way: Way = LEAD) -> Posted:
    """Post something of each of these people, in an open loop."""
    posted = Posted({}, {})
    limits = aiohttp.TCPConnector(limit=200)  # httpx would take more of the machine than what is measured
    async with aiohttp.ClientSession(connector=limits) as client, asyncio.TaskGroup() as posts:
        url, key = f"{firsthour.url('ingest')}{way.path}", firsthour.key(way.key)
        start = time.monotonic() + 0.1

        async def post(email: str, due: float) -> None:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            posted.due[email] = due
            async with client.post(url, json=way.body(email), headers=key) as answer:
                answer.raise_for_status()
                posted.answered[email] = time.monotonic()

        for number, email in enumerate(addresses):
            posts.create_task(post(email, start + number / rate))
    return posted


async def post_leads(
    firsthour: Firsthour | Chain, *, rate: float, count: int, address: Callable[[], str] = somebody
) -> dict[str, float]:
    """Post so many leads in an open loop; the moment at which each was due to be posted, by its address."""
    return (await post_each(firsthour, [address() for _ in range(count)], rate=rate)).due


async def received(receiver: Receiver, sent: dict[str, float], deadline_s: float) -> list[float]:
    """Seconds from POST to webhook for each lead, once all have come in."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if len([r for r in list(receiver.received) if r.path == FIRST]) >= len(sent):
            break
        await asyncio.sleep(0.05)
    arrived: dict[str, float] = {}
    for request in list(receiver.received):
        if request.path == FIRST:
            arrived.setdefault(json.loads(request.body)["data"]["contact"]["email"], request.at)
    missing = sent.keys() - arrived.keys()
    if missing:
        raise SystemExit(f"{len(missing)} of {len(sent)} leads were not followed up within {deadline_s} s")
    return [arrived[email] - at for email, at in sent.items()]


def memory(firsthour: Firsthour) -> dict[str, int]:
    """Resident MB of each service."""
    return {
        name: psutil.Process(process.pid).memory_info().rss // 2**20 for name, process in firsthour.processes.items()
    }


async def latency(firsthour: Firsthour, receiver: Receiver, options: argparse.Namespace) -> dict[str, Any]:
    """POST → webhook received, at a steady rate."""
    warm = await post_leads(firsthour, rate=20, count=40)
    await received(receiver, warm, 30)
    receiver.received.clear()
    before = memory(firsthour)
    sent = await post_leads(firsthour, rate=options.rate, count=int(options.rate * options.seconds))
    seconds = await received(receiver, sent, 60)
    return {
        "leads": len(sent),
        "milliseconds": percentiles(seconds),
        "rss_mb": {name: [before[name], after] for name, after in memory(firsthour).items()},
    }


async def fill(firsthour: Firsthour, events: int, topic: str, seed: str) -> None:
    """Put engagement events of many visitors into a lane, as an import or a busy site does."""
    key_secret = ensure_key_secret(firsthour.state).encode()
    async with producing(firsthour.kafka, client_id="benchmark") as producer:
        for first in range(0, events, 5000):
            now = utc_now()
            outgoing = []
            for number in range(first, min(first + 5000, events)):
                identity = Identity(anonymous_id=f"{seed}-{number % (events // 5)}")
                event = make_event(
                    id=new_id(), source="/sources/app", type="engagement.recorded", time=now, receivedtime=now,
                    subject=identity.primary("/sources/app"), trust="trusted",
                    data=EngagementRecorded(identity=identity, kind="page_viewed", what="/pricing?" + "x" * 200),
                )  # fmt: skip
                key = partition_key(identity.primary("/sources/app") or "", key_secret)
                outgoing.append(Outgoing(topic, key, encode(event), KAFKA_HEADERS))
            await producer.send_all(outgoing)


async def backlog(firsthour: Firsthour, receiver: Receiver, options: argparse.Namespace) -> dict[str, Any]:
    """Leads posted while engagement events are being worked off: how late is the last first follow-up?"""
    topics = Topics(firsthour.topic_prefix)
    await received(receiver, await post_leads(firsthour, rate=20, count=40), 30)
    receiver.received.clear()
    topic = topics.events_bulk if options.lane == "bulk" else topics.events
    firsthour.stop(["scoring", "nurture"])
    await fill(firsthour, options.events, topic, secrets.token_hex(8)[:6])
    firsthour.start("scoring", "nurture")
    firsthour.wait_ready("scoring", "nurture")
    sent = await post_leads(firsthour, rate=100, count=options.leads)
    seconds = await received(receiver, sent, 300)
    return {"leads": len(sent), "behind": options.events, "lane": options.lane, "milliseconds": percentiles(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["latency", "backlog"])
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--leads", type=int, default=200)
    parser.add_argument("--lane", choices=["live", "bulk"], default="bulk")
    options = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        receiver = cleanup.enter_context(receiving_apart())
        stack = cleanup.enter_context(bench_stack(folder))
        firsthour = cleanup.enter_context(
            installed(stack.kafka, stack.database, "", folder, receiver_port=receiver.port, smtp_port=free_ports(1)[0])
        )
        run = latency if options.what == "latency" else backlog
        print(json.dumps({options.what: asyncio.run(run(firsthour, receiver, options))}))


if __name__ == "__main__":
    main()
