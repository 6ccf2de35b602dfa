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
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.stack import BenchStack, bench_stack
from shared.kafka.topics import Topics, create_topics

ROOT = Path(__file__).parents[1]
_HEADER = "Lead ID,First Name,Last Name,Email,Company,Job Title,Country,Lead Source,Created Date,Comments\n"
_REMARKS = ("asked for a quote", "met at the fair, booth 12", 'said "call me after Easter"', "")


def make_file(path: Path, megabytes: int) -> int:
    """A CRM's export of leads, with commas, quotes and lines in some of its cells; returns its rows."""
    dice = random.Random(7)
    rows = size = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(_HEADER)
        while size < megabytes * 1_000_000:
            remark = dice.choice(_REMARKS)
            cell = '"' + remark.replace('"', '""') + ('\nand more"' if rows % 50 == 0 else '"')
            row = (
                f"L-{rows},Ada,Lovelace {rows % 977},person{dice.randrange(10**7)}@example.com,Engines {rows % 5000},"
                f"buyer,DE,Web,2026-0{1 + rows % 9}-1{rows % 10} 1{rows % 10}:30:00,{cell}\n"
            )
            size += file.write(row)
            rows += 1
    return rows


def measure(stack: BenchStack, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    asyncio.run(create_topics(stack.kafka, Topics(""), partitions=12, replication=1))
    file = folder / "leads.csv"
    rows = make_file(file, options.megabytes)
    environment = {**os.environ, "FIRSTHOUR_KAFKA": stack.kafka, "FIRSTHOUR_STATE": str(folder / "state")}
    command = [sys.executable, "-m", "services.cli", "import", str(file), "--yes", "--json"]
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
    assert told["taken"] == rows, told
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
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        stack = cleanup.enter_context(bench_stack(folder))
        print(json.dumps(measure(stack, folder, options)))


if __name__ == "__main__":
    main()
