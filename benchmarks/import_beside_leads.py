"""What live leads notice of an import: POST → 202 and POST → webhook received, before it and while it runs.

All services, Kafka, Postgres, the import and this load share the machine. Leads come in an open loop.

    python -m benchmarks.import_beside_leads --rows 1000000 --rate 50
"""

import argparse
import asyncio
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.end_to_end import percentiles, post_leads, received
from benchmarks.import_rows import ROOT, make_file
from benchmarks.stack import bench_stack
from tests.support.processes import Firsthour, free_ports, installed
from tests.support.receiver import receiving_apart
from tests.support.webhook_receiver import Receiver


async def post_while(
    firsthour: Firsthour, go_on: Callable[[float], bool], rate: float
) -> tuple[dict[str, float], list[float]]:
    """Post leads while `go_on(seconds so far)`: when each was due, and the seconds from then to its 202."""
    due_at: dict[str, float] = {}
    took: list[float] = []
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client, asyncio.TaskGroup() as posts:

        async def post(email: str, due: float) -> None:
            answer = await client.post(
                f"{firsthour.url('ingest')}/v1/leads",
                json={"email": email, "name": "Ada", "company": "Engines", "interest": "pricing"},
                headers=firsthour.key(),
            )
            answer.raise_for_status()
            took.append(time.monotonic() - due)

        start, number = time.monotonic() + 0.1, 0
        while go_on(number / rate):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            email = f"{secrets.token_hex(8)}@example.com"
            due_at[email] = due
            posts.create_task(post(email, due))
            number += 1
    return due_at, took


async def told(firsthour: Firsthour, receiver: Receiver, go_on: Callable[[float], bool], rate: float) -> dict[str, Any]:
    receiver.received.clear()
    due_at, took = await post_while(firsthour, go_on, rate)
    seconds = await received(receiver, due_at, 300)
    return {"leads": len(took), "to_202_ms": percentiles(took), "to_webhook_ms": percentiles(seconds)}


async def measure(firsthour: Firsthour, receiver: Receiver, file: Path, options: argparse.Namespace) -> dict[str, Any]:
    await received(receiver, await post_leads(firsthour, rate=20, count=40), 30)
    result = {"before": await told(firsthour, receiver, lambda s: s < options.seconds, options.rate)}
    command = [sys.executable, "-m", "services.cli.main", "import", str(file), "--yes", "--json"]
    running = subprocess.Popen(
        command,
        cwd=ROOT,
        env=firsthour.environment(),
        stdout=subprocess.PIPE,
        start_new_session=True,  # as from a terminal of its own
    )
    try:
        while not list(firsthour.state.glob("imports/*.json")):  # it has sent the first rows
            await asyncio.sleep(0.01)
        result["while"] = await told(firsthour, receiver, lambda _: running.poll() is None, options.rate)
        said = json.loads(running.communicate()[0])
    finally:
        running.kill()
        running.wait()
    assert said["finished"], said
    result["rows_per_second"] = round(said["taken"] / said["seconds"])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=20, help="how long before the import")
    options = parser.parse_args()
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        receiver = cleanup.enter_context(receiving_apart())
        stack = cleanup.enter_context(bench_stack(folder))
        firsthour = cleanup.enter_context(
            installed(stack.kafka, stack.database, "", folder, receiver_port=receiver.port, smtp_port=free_ports(1)[0])
        )
        file = folder / "leads.csv"
        make_file(file, events=options.rows)
        print(json.dumps({"rows": options.rows, **asyncio.run(measure(firsthour, receiver, file, options))}))


if __name__ == "__main__":
    main()
