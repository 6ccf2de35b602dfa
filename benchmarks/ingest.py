"""Single POSTs a second that ingest takes, durable before the answer, next to a bare ASGI app in the same run.

python -m benchmarks.ingest --connections 64 --seconds 10
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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil

from benchmarks import load
from benchmarks.stack import BenchStack, bench_stack
from shared.kafka.topics import Topics, create_topics
from shared.secrets import ensure_state_secrets
from tests.processes import free_ports

ROOT = Path(__file__).parents[1]
_BODY = json.dumps(
    {
        "email": f"ada.{load.PERSON}@example.com", "name": "Ada Lovelace", "company": "Analytical Engines",
        "interest": "pricing",
        "message": "x" * 240, "estimated_value": {"amount": "500.00", "currency": "EUR"},
        "campaign": {"source": "google", "medium": "cpc", "name": "spring"}, "traits": {"country": "DE", "size": 120},
    }
).encode()  # fmt: skip
_TRACK = json.dumps(
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


def measure(stack: BenchStack, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    topics = Topics()
    asyncio.run(create_topics(stack.kafka, topics, partitions=12, replication=1))
    names = ["WEBSITE_KEY", "SHOP_KEY", "APP_KEY"]
    keys = ensure_state_secrets(folder / "state", names)
    ports = free_ports(2)
    bare_url, url = (f"http://127.0.0.1:{port}" for port in ports)
    common = {"FIRSTHOUR_KAFKA": stack.kafka, "FIRSTHOUR_STATE": str(folder / "state")}
    with ExitStack() as running:
        if options.with_limit:
            bare_settings = {**common, "FIRSTHOUR_TOPIC": topics.events, "FIRSTHOUR_PORT": str(ports[0])}
            bare = running.enter_context(started(["benchmarks.bare_asgi"], bare_settings, f"{bare_url}/"))
        ingest_settings = {**common, "FIRSTHOUR_INGEST_PORT": str(ports[1])}
        ingest = running.enter_context(started(["services.cli", "ingest"], ingest_settings, f"{url}/readyz"))
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {keys['WEBSITE_KEY']}"}
        segment = {"Content-Type": "application/json", "Authorization": f"Bearer {keys['APP_KEY']}"}
        runs: dict[str, list[load.Load]] = {"leads": [], "track": [], "bare": []}
        spent: dict[str, list[float]] = {"leads": [], "track": [], "bare": []}
        how = {"connections": options.connections, "seconds": options.seconds}
        for round_number in range(options.rounds + 1):  # the first warms up
            for name, target, body, given in (
                ("bare", f"{bare_url}/", _BODY, headers),
                ("leads", f"{url}/v1/leads", _BODY, headers),
                ("track", f"{url}/v1/track", _TRACK, segment),
            ):
                if name == "bare" and not options.with_limit:
                    continue
                process = psutil.Process((bare if name == "bare" else ingest).pid)
                before = _cpu_s(process)
                found = load.post(target, body, given, **how)
                if round_number:
                    runs[name].append(found)
                    spent[name].append((_cpu_s(process) - before) / (found.per_second * options.seconds) * 1e6)
        result: dict[str, Any] = {
            name: {**_median(found), "cpu_us": round(statistics.median(spent[name]), 1)}
            for name, found in runs.items()
            if found
        }
        result["rss_mb"] = psutil.Process(ingest.pid).memory_info().rss // 2**20
        if options.with_limit:
            for name in ("leads", "track"):
                result[f"{name}_share_of_bare"] = round(result[name]["per_second"] / result["bare"]["per_second"], 2)
        return result


def _cpu_s(process: psutil.Process) -> float:
    """Seconds of CPU of the process and its workers so far: what a request costs, whatever else the machine does."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def _median(found: list[load.Load]) -> dict[str, Any]:
    fields = ("per_second", "p50_ms", "p99_ms")
    medians = {field: round(statistics.median(getattr(each, field) for each in found), 1) for field in fields}
    return {"tool": found[0].tool, **medians, "not_2xx": sum(each.not_2xx for each in found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-limit", dest="with_limit", action="store_false")
    options = parser.parse_args()
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        stack = cleanup.enter_context(bench_stack(folder))
        print(json.dumps({"connections": options.connections, **measure(stack, folder, options)}))


if __name__ == "__main__":
    main()
