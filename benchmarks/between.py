"""Between idle and flood: what a few to some hundred leads a second cost, and how late they are followed up.

Beside it, in the same run and on the same brokers, the limit: the same way without any of the work (`chain`).

One workflow, one webhook for each lead, signed and received. For each rate: POST → webhook from the moment the lead was
due (open loop), processor time and voluntary context switches (wake-ups) of every process, by `/proc`. Rate 0 is rest.
At the end a burst: so many leads at once, and how many a second are followed up until the last one is.

    python -m benchmarks.between --rates 0 20 50 100 200 400 --seconds 30 --burst 20000
"""

import argparse
import asyncio
import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil

from benchmarks.chain import Chain, chained
from benchmarks.end_to_end import percentiles, post_leads, received, somebody
from benchmarks.stack import bench_stack
from tests.support.processes import Firsthour, free_ports, installed
from tests.support.receiver import receiving_apart
from tests.support.webhook_receiver import Receiver

WORKFLOW: Final = """
workflow: one-webhook
trigger: {on: lead.captured, max_age: 60m}
steps:
  - send: {webhook: marketing-automation, deadline: 5m}
  - exit
"""
WARM_UP: Final = 1000  # leads
_SETTLE_S: Final = 3.0  # after the last webhook: what the leads still cause belongs to them


@dataclass(frozen=True)
class Spent:
    """What a process has used since it began: seconds of a processor, wake-ups, resident MB."""

    cpu_s: float
    wake_ups: int
    rss_mb: float


def processes(firsthour: Firsthour | Chain) -> Iterator[tuple[str, psutil.Process]]:
    """Every process that takes part, by the part that it belongs to."""
    for name, process in firsthour.processes.items():
        root = psutil.Process(process.pid)
        for each in (root, *root.children(recursive=True)):
            yield name, each
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if each.name().startswith("java"):
                yield "kafka", each
            elif each.name().startswith("postgres"):
                yield "postgres", each


def spent(firsthour: Firsthour | Chain) -> dict[str, Spent]:
    """By part: ingest, scoring, nurture, kafka, postgres."""
    found: dict[str, Spent] = {}
    for name, process in processes(firsthour):
        with contextlib.suppress(psutil.NoSuchProcess):
            cpu, switches = process.cpu_times(), process.num_ctx_switches()
            before = found.get(name, Spent(0, 0, 0))
            found[name] = Spent(
                before.cpu_s + cpu.user + cpu.system,
                before.wake_ups + switches.voluntary,
                before.rss_mb + process.memory_info().rss / 2**20,
            )
    return found


async def warm_up(firsthour: Firsthour | Chain, receiver: Receiver, address: Callable[[], str] = somebody) -> None:
    """What comes second works with a Kafka that is warm already, so what comes first has to find one as warm."""
    receiver.received.clear()
    await received(receiver, await post_leads(firsthour, rate=50, count=WARM_UP, address=address), 60)
    await asyncio.sleep(_SETTLE_S)


async def at_rate(
    firsthour: Firsthour | Chain,
    receiver: Receiver,
    rate: float,
    seconds: float = 0,
    *,
    leads: int = 0,
    address: Callable[[], str] = somebody,
) -> dict[str, Any]:
    """One row of the table: so many seconds, or so many leads."""
    receiver.received.clear()
    began, before = time.monotonic(), spent(firsthour)
    row: dict[str, Any] = {"rate": "burst" if rate == math.inf else rate}
    leads = leads or int(rate * seconds)
    if leads:
        sent = await post_leads(firsthour, rate=rate, count=leads, address=address)
        late = await received(receiver, sent, 120)
        row["milliseconds"] = percentiles(late)
        if rate == math.inf:
            row["leads_a_second"] = round(leads / max(late))
        await asyncio.sleep(_SETTLE_S)
    else:
        await asyncio.sleep(seconds)
    took, after = time.monotonic() - began, spent(firsthour)
    used = {name: after[name].cpu_s - before[name].cpu_s for name in after}
    if leads:
        row["cpu_ms_a_lead"] = {name: round(value * 1000 / leads, 2) for name, value in used.items()}
        row["cpu_ms_a_lead"]["all"] = round(sum(used.values()) * 1000 / leads, 2)
    else:
        row["percent_of_a_core"] = {name: round(value / took * 100, 2) for name, value in used.items()}
    row["wake_ups_a_second"] = {
        name: round((after[name].wake_ups - before[name].wake_ups) / took, 1)
        for name in ("ingest", "scoring", "nurture")
    }
    row["rss_mb"] = {name: round(each.rss_mb) for name, each in after.items()}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[0, 20, 50, 100, 200, 400])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--burst", type=int, default=20_000, help="leads at once; 0: none")
    options = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        receiver = cleanup.enter_context(receiving_apart())
        stack = cleanup.enter_context(bench_stack(folder))
        with installed(
            stack.kafka, stack.database, "", folder,
            receiver_port=receiver.port, smtp_port=free_ports(1)[0],
            settings={"FIRSTHOUR_TOPIC_PARTITIONS": "12"}, workflows={"one-webhook": WORKFLOW},
        ) as firsthour:  # fmt: skip
            ours = asyncio.run(_all("firsthour", firsthour, receiver, options))
        with chained(stack.kafka, stack.database, receiver.port) as chain:
            limits = asyncio.run(_all("limit", chain, receiver, options))
    for one, limit in zip(ours, limits, strict=True):
        if one["rate"]:
            late = {name: round(limit["milliseconds"][name] / one["milliseconds"][name], 2) for name in ("p50", "p99")}
            cpu = round(limit["cpu_ms_a_lead"]["all"] / one["cpu_ms_a_lead"]["all"], 2)
            print(json.dumps({"rate": one["rate"], "of the limit": {**late, "cpu": cpu}}))


async def _all(
    what: str, firsthour: Firsthour | Chain, receiver: Receiver, options: argparse.Namespace
) -> list[dict[str, Any]]:
    await warm_up(firsthour, receiver)
    rows = []
    for rate in options.rates:
        rows.append(await at_rate(firsthour, receiver, rate, seconds=options.seconds))
        print(json.dumps({"what": what, **rows[-1]}), flush=True)
    if options.burst:
        rows.append(await at_rate(firsthour, receiver, math.inf, leads=options.burst))
        print(json.dumps({"what": what, **rows[-1]}), flush=True)
    return rows


if __name__ == "__main__":
    main()
