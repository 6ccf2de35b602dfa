"""What `firsthour run` takes of a machine's memory: each process at rest, and again after some leads.

PSS counts what processes share once in all, so that its sum is what the machine has less; RSS is what `top` shows.

    python -m benchmarks.memory --rest 60 --leads 1000
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import httpx
import psutil

from benchmarks.end_to_end import somebody
from benchmarks.stack import is_ready
from shared.secrets import read_state_secrets
from tests.support.processes import ROOT, SERVICES, free_ports

_READY_S: Final = 120.0
_SETTLE_S: Final = 10.0
_A_SECOND: Final = 50  # leads
_PORTS: Final = ("INGEST", "SCORING", "NURTURE", "DEMO", "DEMO_SMTP", "RUN", "EMBEDDED_KAFKA", "EMBEDDED_POSTGRES")


@dataclass(frozen=True)
class Running:
    """`firsthour run`, ready."""

    process: psutil.Process
    ingest: str
    state: Path


@contextmanager
def run(folder: Path) -> Iterator[Running]:
    """Start everything in an empty folder; end it with the block."""
    folder.chmod(0o711)  # root's Postgres runs as another user and has to reach its data
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    state = folder / "state"
    environment = {**os.environ, "FIRSTHOUR_STATE": str(state), "FIRSTHOUR_CONFIG": str(ROOT / "config"),
                   **{f"FIRSTHOUR_{name}_PORT": str(port) for name, port in ports.items()}}  # fmt: skip
    with (folder / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", "run"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + _READY_S
        for name in SERVICES:
            while not is_ready(ports[name.upper()]):
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit((folder / "run.log").read_text()[-2000:])
                time.sleep(0.2)
        yield Running(psutil.Process(process.pid), f"http://127.0.0.1:{ports['INGEST']}", state)
    finally:
        process.terminate()
        process.wait(60)


def taken(running: Running) -> dict[str, dict[str, int]]:
    """MB by part; a server of many processes is one part."""
    parts: dict[str, dict[str, int]] = {}
    for process in (running.process, *running.process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # Postgres' come and go
            full = process.memory_full_info()
            part = parts.setdefault(_part(process.cmdline()), {"pss": 0, "rss": 0})
            part["pss"] += full.pss
            part["rss"] += full.rss
    parts["all"] = {kind: sum(part[kind] for part in parts.values()) for kind in ("pss", "rss")}
    return {name: {kind: round(size / 2**20) for kind, size in part.items()} for name, part in parts.items()}


def _part(command: list[str]) -> str:
    if "kafka.Kafka" in command:
        return "kafka"
    if command and "postgres" in command[0]:
        return "postgres"
    return {"run": "supervisor", "demo.sinks": "sinks"}.get(command[-1], command[-1])


async def _post(running: Running, count: int) -> None:
    key = {"Authorization": f"Bearer {read_state_secrets(running.state)['WEBSITE_KEY']}"}
    async with httpx.AsyncClient(headers=key) as client:
        for _ in range(count):
            lead = {"email": somebody(), "name": "Ada", "company": "Engines", "interest": "pricing"}
            (await client.post(f"{running.ingest}/v1/leads", json=lead)).raise_for_status()
            await asyncio.sleep(1 / _A_SECOND)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rest", type=float, default=60, help="seconds after the start")
    parser.add_argument("--leads", type=int, default=1000)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="firsthour-bench-") as name, run(Path(name)) as running:
        time.sleep(options.rest)
        print(json.dumps({"at rest": taken(running)}), flush=True)
        asyncio.run(_post(running, options.leads))
        time.sleep(_SETTLE_S)
        print(json.dumps({f"after {options.leads} leads": taken(running)}), flush=True)


if __name__ == "__main__":
    main()
