"""Rows a second that `firsthour import` takes, with the broker on the same cores, and the memory of its processes.

python -m benchmarks.import_rows --megabytes 200
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.stack import BenchStack, bench_stack
from shared.kafka.topics import Topics, create_topics

ROOT = Path(__file__).parents[1]
_REMARKS = ("asked for a quote", "met at the fair, booth 12", 'said "call me after Easter"', "")


def lead(n: int, dice: random.Random) -> str:
    """A row of a CRM's export, with commas, quotes and lines in some of its cells."""
    remark = dice.choice(_REMARKS)
    cell = '"' + remark.replace('"', '""') + ('\nand more"' if n % 50 == 0 else '"')
    return (
        f"L-{n},Ada,Lovelace {n % 977},person{dice.randrange(10**7)}@example.com,+49 30 {dice.randrange(10**6, 10**7)},"
        f"Engines {n % 5000},buyer,DE,Web,2026-0{1 + n % 9}-1{n % 10} 1{n % 10}:30:00,{cell}\n"
    )


def order(n: int, dice: random.Random) -> str:
    """Two rows of a shop's export: one order with two items."""
    return (
        f"#{n},person{dice.randrange(10**7)}@example.com,paid,2026-0{1 + n % 9}-1{n % 10} 10:00:00 +0100,EUR,"
        f"{n % 900}.00,SPRING,1,Cup {n % 99},10.00\n#{n},,,,,,,2,Plate {n % 99},10.00\n"
    )


_FILES: dict[str, tuple[str, Callable[[int, random.Random], str]]] = {
    "leads": (
        "Lead ID,First Name,Last Name,Email,Phone,Company,Job Title,Country,Lead Source,Created Date,Comments\n",
        lead,
    ),
    "purchases": (
        "Name,Email,Financial Status,Paid at,Currency,Total,Coupon,Lineitem quantity,Lineitem name,Lineitem price\n",
        order,
    ),
}


def make_file(path: Path, *, what: str = "leads", megabytes: float = 1e9, events: int = 10**9) -> int:
    """A file of so many megabytes or events; returns its events."""
    dice = random.Random(7)
    header, line = _FILES[what]
    made = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        size = file.write(header)
        while size < megabytes * 1_000_000 and made < events:
            size += file.write(line(made, dice))
            made += 1
    return made


def measure(stack: BenchStack, folder: Path, what: str, options: argparse.Namespace) -> dict[str, Any]:
    file = folder / f"{what}.csv"
    events = make_file(file, what=what, megabytes=options.megabytes)
    rows = events * (2 if what == "purchases" else 1)
    environment = {**os.environ, "FIRSTHOUR_KAFKA": stack.kafka, "FIRSTHOUR_STATE": str(folder / "state")}
    command = [sys.executable, "-m", "services.cli.main", "import", str(file), "--yes", "--json"]
    if options.workers is not None:
        command += ["--workers", str(options.workers)]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    peaks: dict[int, int] = {}
    cpu: dict[int, float] = {}
    while process.poll() is None:
        try:
            for each in (watched, *watched.children(recursive=True)):
                peaks[each.pid] = max(peaks.get(each.pid, 0), each.memory_info().rss)
                cpu[each.pid] = sum(each.cpu_times()[:2])
        except psutil.Error:
            continue
        time.sleep(0.2)
    whole_s = time.monotonic() - began
    assert process.stdout is not None
    told = json.loads(process.stdout.read())
    assert told["taken"] == events, told
    return {
        "rows": rows,
        "megabytes": round(file.stat().st_size / 1e6),
        "rows_per_second": round(rows / told["seconds"]),
        "with_start_per_second": round(rows / whole_s),
        "peak_rss_mb": sorted((round(peak / 1e6) for peak in peaks.values()), reverse=True),
        "cpu_us_per_row": round(sum(cpu.values()) / rows * 1e6, 1),
        "others_load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=200)
    parser.add_argument("--what", nargs="+", choices=sorted(_FILES), default=sorted(_FILES))
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        stack = cleanup.enter_context(bench_stack(folder))
        asyncio.run(create_topics(stack.kafka, Topics(), partitions=12, replication=1))
        print(json.dumps({what: measure(stack, folder, what, options) for what in options.what}))


if __name__ == "__main__":
    main()
