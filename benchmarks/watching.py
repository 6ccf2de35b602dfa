"""What it costs to be watched: the processor time of a scrape of all three services, and of a canary lead.

At rest, in turns: left alone, scraped every second, and with a canary every five seconds; of each what it takes more
than rest does, by `/proc`, with Kafka and Postgres. The median of the rounds, and what that is at a scrape each 15 s
and a canary each minute, as compose has them.

    python -m benchmarks.watching --seconds 60 --rounds 3
"""

import argparse
import asyncio
import contextlib
import json
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import httpx

from benchmarks.between import spent
from benchmarks.stack import bench_stack
from tests.support.processes import Firsthour, free_ports, installed
from tests.support.receiver import receiving_apart

_SCRAPE_EVERY_S: Final = 1.0
_CANARY_EVERY_S: Final = 5
_SETTLE_S: Final = 10.0  # after a start: what it still does belongs to no window
_SCRAPES_A_SECOND: Final = 1 / 15
_CANARIES_A_SECOND: Final = 1 / 60


async def used(firsthour: Firsthour, seconds: float, *, scraped: bool = False) -> float:
    """The processor seconds that all parts take in so many seconds."""
    before = spent(firsthour)
    if not scraped:
        await asyncio.sleep(seconds)
    else:
        async with httpx.AsyncClient() as http:
            for _ in range(int(seconds / _SCRAPE_EVERY_S)):
                await asyncio.gather(
                    asyncio.sleep(_SCRAPE_EVERY_S),
                    *(http.get(f"{firsthour.url(name)}/metrics", timeout=10) for name in firsthour.processes),
                )
    after = spent(firsthour)
    return sum(after[name].cpu_s - before[name].cpu_s for name in after)


async def with_canary(firsthour: Firsthour, every: str) -> None:
    """Start nurture again with a canary of this interval."""
    firsthour.stop(("nurture",))
    firsthour.settings["FIRSTHOUR_CANARY"] = every
    firsthour.start("nurture")
    await asyncio.to_thread(firsthour.wait_ready)
    await asyncio.sleep(_SETTLE_S)


async def _all(firsthour: Firsthour, seconds: float, rounds: int) -> None:
    scrapes, canaries, rests = list[float](), list[float](), list[float]()
    for _ in range(rounds):
        await with_canary(firsthour, "off")
        rest = await used(firsthour, seconds)
        scraped = await used(firsthour, seconds, scraped=True)
        await with_canary(firsthour, f"{_CANARY_EVERY_S}s")
        watched = await used(firsthour, seconds)
        rests.append(rest / seconds)
        scrapes.append((scraped - rest) / (seconds / _SCRAPE_EVERY_S))
        canaries.append((watched - rest) / (seconds / _CANARY_EVERY_S))
    scrape, canary = median(scrapes), median(canaries)
    percent = 100 * (scrape * _SCRAPES_A_SECOND + canary * _CANARIES_A_SECOND)
    row = {
        "rest_percent_of_a_core": round(median(rests) * 100, 2),
        "scrape_ms": round(scrape * 1000, 1),
        "canary_ms": round(canary * 1000, 1),
        "watching_percent_of_a_core": round(percent, 2),
        "of_each_round": [[round(a * 1000, 1), round(b * 1000, 1)] for a, b in zip(scrapes, canaries, strict=True)],
    }
    print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="firsthour-bench-")))
        receiver = cleanup.enter_context(receiving_apart())
        stack = cleanup.enter_context(bench_stack(folder))
        firsthour = cleanup.enter_context(
            installed(stack.kafka, stack.database, "", folder,
                      receiver_port=receiver.port, smtp_port=free_ports(1)[0])
        )  # fmt: skip
        asyncio.run(_all(firsthour, options.seconds, options.rounds))


if __name__ == "__main__":
    main()
