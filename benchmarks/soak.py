"""Memory of ingest under an unbroken load of everything: leads, calls, batches, forms, wrong input, hasty clients.

python -m benchmarks.soak --minutes 10
"""

import argparse
import asyncio
import json
import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks import load
from benchmarks.ingest import BODY, TRACK, batch_of, started
from benchmarks.stack import BenchStack, bench_stack
from shared.kafka.topics import Topics, create_topics
from shared.secrets import ensure_state_secrets
from tests.support.processes import free_ports

_PIECE_S = 10


def measure(stack: BenchStack, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    asyncio.run(create_topics(stack.kafka, Topics(), partitions=12, replication=1))
    keys = ensure_state_secrets(folder / "state", ["WEBSITE_KEY", "SHOP_KEY", "APP_KEY"])
    (port,) = free_ports(1)
    environment = {
        "FIRSTHOUR_KAFKA": stack.kafka, "FIRSTHOUR_STATE": str(folder / "state"), "FIRSTHOUR_INGEST_PORT": str(port),
        "FIRSTHOUR_LOG_LEVEL": "warning",
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    website = {"Content-Type": "application/json", "Authorization": f"Bearer {keys['WEBSITE_KEY']}"}
    app = {"Content-Type": "application/json", "Authorization": f"Bearer {keys['APP_KEY']}"}
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    kinds = [
        (f"{url}/v1/leads", BODY, website, 64),
        (f"{url}/v1/track", TRACK, app, 512),
        (f"{url}/v1/batch", batch_of(100), app, 64),
        (f"{url}/f/website", f"email={load.PERSON}%40example.com&message=hello".encode(), form, 64),
        (f"{url}/v1/leads", b'{"email": "nobody", "odd": [1]}', website, 64),
        (f"{url}/v1/batch", batch_of(800), app, 32),
        (f"{url}/v1/track", TRACK, app, 1500),
    ]
    with started(["services.cli.main", "ingest"], environment, f"{url}/readyz") as process:
        sizes: list[int] = []
        stopping = threading.Event()
        watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), sizes, stopping))
        watcher.start()
        requests, end, piece = 0.0, time.monotonic() + options.minutes * 60, 0
        while time.monotonic() < end:
            target, body, headers, connections = kinds[piece % len(kinds)]
            found = load.post(target, body, headers, connections=connections, seconds=_PIECE_S)
            requests += found.per_second * _PIECE_S
            piece += 1
        stopping.set()
        watcher.join()
    each_minute = [max(sizes[start : start + 60]) for start in range(0, len(sizes), 60)]
    return {"minutes": options.minutes, "requests": round(requests), "rss_mb_by_minute": each_minute, "max": max(sizes)}


def _watch(process: psutil.Process, sizes: list[int], stopping: threading.Event) -> None:
    while not stopping.wait(1):
        sizes.append(process.memory_info().rss // 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        stack = cleanup.enter_context(bench_stack(folder))
        print(json.dumps({"others_load": round(os.getloadavg()[0], 1), **measure(stack, folder, options)}))


if __name__ == "__main__":
    main()
