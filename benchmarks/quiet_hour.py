"""An hour of normal traffic with an import beside it, watched as compose does: which alerts fire, and which nearly do.

The rules as they ship, a scrape every 15 s, a canary every minute; real Prometheus, Alertmanager, Kafka and Postgres.
What comes in is `tests/support/normal_hour.py`'s. One alert is meant: the certificate before ingest ends in three days,
so that the way to the receiver is seen to work. Ends with 1 when any other fires.

    python -m benchmarks.quiet_hour --minutes 60 --rows 200000
"""

import argparse
import asyncio
import contextlib
import json
from collections.abc import Awaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.stack import BenchStack, bench_stack
from tests.support.normal_hour import as_receivers_are, normal_hour
from tests.support.receiver import receiving_apart
from tests.support.watched import ALERTS, RULES, Watched, watched
from tests.support.webhook_receiver import OK, Receiver

_MEANT: Final = "CertificateEnding"


async def measure(stack: BenchStack, receiver: Receiver, folder: Path, minutes: float, rows: int) -> dict[str, Any]:
    others = as_receivers_are()
    receiver.behave = lambda request: OK if request.path == ALERTS else others(request)
    async with watched(
        stack.kafka, stack.database, "", folder, receiver,
        rules=RULES.read_text(), every="15s", settings={"FIRSTHOUR_CANARY": "1m"},
    ) as here:  # fmt: skip
        sent = await _telling(here, normal_hour(here.firsthour, seconds=minutes * 60, rows=rows))
        pending = f'count by (alertname) (count_over_time(ALERTS{{alertstate="pending"}}[{minutes * 60:.0f}s]))'
        found = await asyncio.to_thread(here.prometheus.ask, pending)
        return {
            "minutes": minutes,
            "rows": rows,
            "sent": dict(sent),
            "follow_ups": sum(each.path != ALERTS for each in receiver.received),
            "mails": len(here.mail_server.messages),
            "were_pending": sorted(each["metric"]["alertname"] for each in found),
            "fired": here.labels(),
        }


async def _telling(here: Watched, hour: Awaitable[Any]) -> Any:
    """Print each alert when it arrives, until the hour is over."""
    task, told = asyncio.ensure_future(hour), 0
    while not task.done():
        await asyncio.wait([task], timeout=5)
        for labels in here.labels()[told:]:
            print(json.dumps(labels), flush=True)
            told += 1
    return task.result()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rows", type=int, default=200_000)
    options = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        receiver = cleanup.enter_context(receiving_apart())
        stack = cleanup.enter_context(bench_stack(folder))
        found = asyncio.run(measure(stack, receiver, folder, options.minutes, options.rows))
    print(json.dumps(found))
    return 0 if {labels["alertname"] for labels in found["fired"]} == {_MEANT} else 1


if __name__ == "__main__":
    raise SystemExit(main())
