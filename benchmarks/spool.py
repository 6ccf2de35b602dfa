"""Events a second onto the spool, fsynced before each `put` returns, next to one write and fsync at a time.

python -m benchmarks.spool --seconds 5
"""

import argparse
import asyncio
import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from services.ingest.accept.segment_files import pack
from services.ingest.accept.spool import Spool
from shared.kafka.records import Outgoing

_EVENT = Outgoing("firsthour.events", b"k" * 32, b"x" * 600, (("content-type", b"application/cloudevents+json"),))


def one_at_a_time(folder: Path, seconds: float) -> float:
    """Writes with an fsync each, a second: what the disk gives without gathering."""
    descriptor = os.open(folder / "plain", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    record, done, began = pack(_EVENT), 0, time.monotonic()
    while time.monotonic() < began + seconds:
        os.write(descriptor, record)
        os.fsync(descriptor)
        done += 1
    os.close(descriptor)
    return done / (time.monotonic() - began)


async def gathered(folder: Path, concurrency: int, seconds: float) -> tuple[float, float]:
    """Events a second put by so many at once, and drained again."""
    spool = Spool(folder, max_bytes=2**40)
    began = time.monotonic()

    async def put() -> None:
        while time.monotonic() < began + seconds:
            await spool.put([_EVENT])

    await asyncio.gather(*(put() for _ in range(concurrency)))
    count, took, began = spool.pending, time.monotonic() - began, time.monotonic()
    while (oldest := await spool.oldest()) is not None:
        await spool.forget(oldest)
    drained = count / (time.monotonic() - began)
    await spool.close()
    return count / took, drained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="firsthour-bench-") as name:
        folder = Path(name)
        plain = one_at_a_time(folder, options.seconds)
        result: dict[str, float] = {"fsyncs_per_second": round(plain)}
        for concurrency in (64, 512):
            rate, drained = asyncio.run(gathered(folder / str(concurrency), concurrency, options.seconds))
            result |= {
                f"put_per_second_{concurrency}": round(rate),
                f"put_per_fsync_{concurrency}": round(rate / plain, 1),
                f"drained_per_second_{concurrency}": round(drained),
            }
        result["rss_mb"] = psutil.Process().memory_info().rss // 2**20
    print(json.dumps(result))


if __name__ == "__main__":
    main()
