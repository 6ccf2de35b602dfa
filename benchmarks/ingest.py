"""Single POSTs a second that ingest takes, durable before the answer, next to a bare ASGI app in the same run.

python -m benchmarks.ingest --connections 64 --seconds 10 [--workers 2] [--batch 100] [--servers uvicorn granian]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil

from benchmarks import load
from benchmarks.stack import BenchStack, bench_stack
from shared.kafka.topics import Topics, create_topics
from shared.secrets import ensure_state_secrets
from tests.support.processes import free_ports

ROOT = Path(__file__).parents[1]
BODY = json.dumps(
    {
        "email": f"ada.{load.PERSON}@example.com", "name": "Ada Lovelace", "company": "Analytical Engines",
        "interest": "pricing",
        "message": "x" * 240, "estimated_value": {"amount": "500.00", "currency": "EUR"},
        "campaign": {"source": "google", "medium": "cpc", "name": "spring"}, "traits": {"country": "DE", "size": 120},
    }
).encode()  # fmt: skip
TRACK = json.dumps(
    {
        "userId": f"u-{load.PERSON}", "event": "Product Viewed", "messageId": None, "timestamp": "2026-01-01T10:00:00Z",
        "properties": {"sku": "A-1", "price": 12.5, "url": "https://example.com/p/a-1", "title": "x" * 240},
        "context": {"campaign": {"source": "google"}, "locale": "de-DE", "userAgent": "Mozilla/5.0"},
    }
).encode()  # fmt: skip


@contextmanager
def started(module: list[str], environment: dict[str, str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *module], cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 30
        while not _answers(url):
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit(f"{module} did not start")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code < 500
    except httpx.HTTPError:
        return False


@dataclass(frozen=True)
class Target:
    """What is loaded: by which path, with which body."""

    name: str
    url: str
    body: bytes
    headers: dict[str, str]
    process: psutil.Process
    events: int = 1  # in one request


def measure(stack: BenchStack, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    topics = Topics()
    asyncio.run(create_topics(stack.kafka, topics, partitions=12, replication=1))
    keys = ensure_state_secrets(folder / "state", ["WEBSITE_KEY", "SHOP_KEY", "APP_KEY"])
    environment = {
        "FIRSTHOUR_KAFKA": stack.kafka, "FIRSTHOUR_STATE": str(folder / "state"), "FIRSTHOUR_TOPIC": topics.events,
        "FIRSTHOUR_INGEST_WORKERS": str(options.workers), "FIRSTHOUR_LOG_LEVEL": "warning",
    }  # fmt: skip
    with ExitStack() as running:
        targets: list[Target] = []
        for server in options.servers:
            one, other = free_ports(2)
            workers = ["--workers", str(options.workers)]
            bare = ["benchmarks.bare_asgi", "--port", str(one), "--server", server, *workers]
            process = running.enter_context(started(bare, environment, f"http://127.0.0.1:{one}/"))
            name = "" if server == "uvicorn" else f"{server}-"
            for way, path in (("bare", ""), ("bare-as-ingest", "as-ingest")):
                url = f"http://127.0.0.1:{one}/{path}"
                targets.append(Target(f"{name}{way}", url, BODY, {}, psutil.Process(process.pid)))
            ours = ["services.cli.main", "ingest"]
            if server == "granian":
                ours = ["benchmarks.ingest_on_granian", "--port", str(other), *workers]
            settings = {**environment, "FIRSTHOUR_INGEST_PORT": str(other)}
            process = running.enter_context(started(ours, settings, f"http://127.0.0.1:{other}/readyz"))
            targets += _ours(name, f"http://127.0.0.1:{other}", keys, psutil.Process(process.pid), options)
        return _rounds(targets, options)


def _ours(
    name: str, url: str, keys: dict[str, str], process: psutil.Process, options: argparse.Namespace
) -> list[Target]:
    json_of = {"Content-Type": "application/json"}
    website = json_of | {"Authorization": f"Bearer {keys['WEBSITE_KEY']}"}
    app = json_of | {"Authorization": f"Bearer {keys['APP_KEY']}"}
    if options.batch:
        body = batch_of(options.batch)
        return [Target(f"{name}batch", f"{url}/v1/batch", body, app, process, options.batch)]
    return [
        Target(f"{name}leads", f"{url}/v1/leads", BODY, website, process),
        Target(f"{name}track", f"{url}/v1/track", TRACK, app, process),
    ]


def batch_of(count: int) -> bytes:
    one = json.loads(TRACK)
    batch = [
        {**one, "type": "track", "userId": f"u-{load.PERSON}-{index}", "messageId": f"m-{load.PERSON}-{index}"}
        for index in range(count)
    ]
    return json.dumps({"batch": batch}).encode()


def _rounds(targets: list[Target], options: argparse.Namespace) -> dict[str, Any]:
    runs: dict[str, list[load.Load]] = {target.name: [] for target in targets}
    spent: dict[str, list[float]] = {target.name: [] for target in targets}
    for round_number in range(options.rounds + 1):  # the first warms up
        for target in targets:
            before = _cpu_s(target.process)
            found = load.post(
                target.url, target.body, target.headers, connections=options.connections, seconds=options.seconds
            )
            if round_number:
                runs[target.name].append(found)
                cpu_s = _cpu_s(target.process) - before
                spent[target.name].append(cpu_s / (found.per_second * options.seconds * target.events) * 1e6)
    result: dict[str, Any] = {}
    for target in targets:
        result[target.name] = {
            **_median(runs[target.name], target.events),
            "cpu_us_an_event": round(statistics.median(spent[target.name]), 1),
            "rss_mb": _rss_mb(target.process),
        }
    for target in targets:
        server = "granian-" if target.name.startswith("granian-") else ""
        for bare in ("bare", "bare-as-ingest"):
            if "bare" not in target.name and target.events == 1:
                limits = runs[f"{server}{bare}"]  # round by round: what else the machine does hits both alike
                pairs = zip(runs[target.name], limits, strict=True)
                share = statistics.median(mine.per_second / limit.per_second for mine, limit in pairs)
                result[target.name][f"share_of_{bare.replace('-', '_')}"] = round(share, 2)
    return result


def _rss_mb(process: psutil.Process) -> list[int]:
    """Of each process that serves, the largest first."""
    family = (process, *process.children(recursive=True))
    return sorted((each.memory_info().rss // 2**20 for each in family), reverse=True)


def _cpu_s(process: psutil.Process) -> float:
    """Seconds of CPU of the process and its workers so far: what a request costs, whatever else the machine does."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def _median(found: list[load.Load], events: int) -> dict[str, Any]:
    fields = ("p50_ms", "p99_ms")
    medians = {field: round(statistics.median(getattr(each, field) for each in found), 1) for field in fields}
    per_second = statistics.median(each.per_second * events for each in found)
    return {"events_per_second": round(per_second), **medians, "not_2xx": sum(each.not_2xx for each in found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="processes that serve together")
    parser.add_argument("--batch", type=int, default=0, help="post /v1/batch of so many events instead")
    parser.add_argument("--servers", nargs="+", choices=["uvicorn", "granian"], default=["uvicorn"])
    options = parser.parse_args()
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        stack = cleanup.enter_context(bench_stack(folder))
        asked = {"connections": options.connections, "workers": options.workers, "tool": load.tool()}
        print(json.dumps({**asked, **measure(stack, folder, options)}))


if __name__ == "__main__":
    main()
