"""`make bench`: every figure of docs/benchmarks.md, one after the other. About two hours on two cores.

python -m benchmarks [--quick] [--only NAME …]
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]

_BOTH = ["uvicorn", "granian"]
# What is measured, and how: in full, and quickly to see that it works.
_FULL: dict[str, list[str]] = {
    "latency": ["benchmarks.end_to_end", "latency", "--rate", "50", "--seconds", "60"],
    "between": ["benchmarks.between"],
    "updates": ["benchmarks.updates"],
    "watching": ["benchmarks.watching"],
    "backlog-bulk": ["benchmarks.end_to_end", "backlog", "--lane", "bulk"],
    "backlog-live": ["benchmarks.end_to_end", "backlog", "--lane", "live"],
    "ingest-64": ["benchmarks.ingest", "--connections", "64", "--servers", *_BOTH],
    "ingest-512": ["benchmarks.ingest", "--connections", "512"],
    "ingest-workers": ["benchmarks.ingest", "--connections", "512", "--workers", "2", "--servers", *_BOTH],
    "ingest-batch": ["benchmarks.ingest", "--connections", "64", "--batch", "100"],
    "soak": ["benchmarks.soak", "--minutes", "10"],
    "goes-on": ["benchmarks.goes_on", "--minutes", "5"],
    "month": ["benchmarks.month"],
    "quiet-hour": ["benchmarks.quiet_hour"],
    "cost": ["benchmarks.cost"],
    "paths": ["benchmarks.paths"],
    "spool": ["benchmarks.spool", "--seconds", "5"],
    "batches": ["benchmarks.batches"],
    "scoring": ["benchmarks.scoring", "--events", "200000", "--replay"],
    "models": ["benchmarks.models"],
    "nurture": ["benchmarks.nurture", "--updates", "200000", "--leads", "50000"],
    "memory": ["benchmarks.memory"],
    "lists": ["benchmarks.lists", "--rows", "5000000"],
    "queue": ["benchmarks.queue", "--contacts", "1000000"],
    "sweep": ["benchmarks.sweep", "--contacts", "1000000"],
    # A fifth of what it is meant for, which takes twenty minutes: python -m benchmarks.growth
    "growth": ["benchmarks.growth", "--contacts", "1000000"],
    "import": ["benchmarks.import_rows", "--megabytes", "200"],
    "import-beside-leads": ["benchmarks.import_beside_leads", "--rows", "1000000"],
}
_QUICK: dict[str, list[str]] = {
    "latency": ["benchmarks.end_to_end", "latency", "--rate", "50", "--seconds", "5"],
    "between": ["benchmarks.between", "--rates", "0", "20", "--seconds", "5", "--burst", "500"],
    "updates": ["benchmarks.updates", "--rates", "20", "--seconds", "5"],
    "watching": ["benchmarks.watching", "--seconds", "5", "--rounds", "1"],
    "backlog-bulk": ["benchmarks.end_to_end", "backlog", "--lane", "bulk", "--events", "5000", "--leads", "20"],
    "ingest-64": ["benchmarks.ingest", "--seconds", "2", "--rounds", "1"],
    "ingest-batch": ["benchmarks.ingest", "--batch", "100", "--seconds", "2", "--rounds", "1"],
    "soak": ["benchmarks.soak", "--minutes", "1"],
    "goes-on": ["benchmarks.goes_on", "--minutes", "0.5"],
    "month": ["benchmarks.month", "--days", "2", "--people", "20"],
    "cost": ["benchmarks.cost", "--seconds", "20"],
    "paths": ["benchmarks.paths", "--seconds", "60"],
    "spool": ["benchmarks.spool", "--seconds", "1"],
    "batches": ["benchmarks.batches", "--rounds", "5"],
    "scoring": ["benchmarks.scoring", "--events", "10000", "--replay"],
    "models": ["benchmarks.models", "--events", "5000", "--rounds", "3"],
    "nurture": ["benchmarks.nurture", "--updates", "10000", "--leads", "2000"],
    "memory": ["benchmarks.memory", "--rest", "5", "--leads", "50"],
    "lists": ["benchmarks.lists", "--rows", "100000"],
    "queue": ["benchmarks.queue", "--contacts", "20000"],
    "sweep": ["benchmarks.sweep", "--contacts", "20000"],
    "growth": ["benchmarks.growth", "--contacts", "20000", "--backlog", "10000", "--seconds", "5"],
    "import": ["benchmarks.import_rows", "--megabytes", "5"],
    "import-beside-leads": ["benchmarks.import_beside_leads", "--rows", "50000", "--seconds", "5"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small numbers: shows that it works, not how fast it is")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=sorted(_FULL), help=", ".join(_FULL))
    options = parser.parse_args()
    if not shutil.which("wrk"):
        print("wrk is not installed: the load for ingest comes from a slower client of our own.", flush=True)
    failed = 0
    for name, command in (_QUICK if options.quick else _FULL).items():
        if options.only and name not in options.only:
            continue
        print(f"# {name}: python -m {' '.join(command)}", flush=True)
        failed += subprocess.run([sys.executable, "-m", *command], cwd=_ROOT, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
