"""How long the top of the queue and a search take where a million leads wait, by what the API itself calls.

Aims, on two cores: the top 50 of 1,000,000 in < 20 ms, a search in < 50 ms.

    python -m benchmarks.queue --contacts 1000000
"""

import argparse
import asyncio
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.filling import fill_scoring, name_of
from benchmarks.stack import bench_postgres
from services.scoring.api.queue import Asked, the_queue
from services.scoring.config import load_scoring
from services.scoring.domain.model.model import Model
from services.scoring.store.contacts import reads
from shared.clock import utc_now
from shared.db.engine import make_engine
from shared.db.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

ROOT: Final = Path(__file__).parents[1]
_ROUNDS: Final = 40
_LOOKED_AT: Final = 200  # as the API does


async def _measure(url: str, model: Model, contacts: int) -> bool:
    first, last = name_of(contacts // 2)
    asked: dict[str, tuple[float, Callable[[AsyncConnection], Awaitable[Any]]]] = {
        "top 50": (20, lambda conn: the_queue(conn, model, Asked(utc_now(), overload=False), 50)),
        "top 50 under overload": (20, lambda conn: the_queue(conn, model, Asked(utc_now(), overload=True), 50)),
        "top 50 of one source": (20, lambda conn: the_queue(conn, model, Asked(utc_now(), overload=False), 50,
                                                           source="fair")),
        "top 50 of one country": (20, lambda conn: the_queue(conn, model, Asked(utc_now(), overload=False), 50,
                                                            country="PL")),
        "search for a last name": (50, lambda conn: reads.search(conn, [(last,)], _LOOKED_AT)),
        "search for a first name": (50, lambda conn: reads.search(conn, [(first,)], _LOOKED_AT)),
        "search for two beginnings": (50, lambda conn: reads.search(conn, [(first[:2],), (last[:-1],)], _LOOKED_AT)),
        "search for an address": (50, lambda conn: reads.search(conn, [(f"{first}.{last}@exa",)], _LOOKED_AT)),
        "search for nobody": (50, lambda conn: reads.search(conn, [("zzzz",)], _LOOKED_AT)),
    }  # fmt: skip
    good = True
    engine = make_engine(url, application="benchmark", schema="scoring")
    async with engine.connect() as conn:
        for name, (aim, ask) in asked.items():
            taken = []
            for _ in range(_ROUNDS):
                started = time.perf_counter()
                await ask(conn)
                taken.append((time.perf_counter() - started) * 1000)
            median = statistics.median(taken)
            good &= median < aim
            print(f"{name}: {median:.1f} ms (at best {min(taken):.1f} ms; aim {aim} ms)", flush=True)
    await engine.dispose()
    return good


async def _run(contacts: int, waiting: int, at_risk: int) -> bool:
    model = load_scoring(ROOT / "config")
    async with bench_postgres(fsync=False) as database:
        await migrate(database, "scoring")
        await fill_scoring(database, model, contacts=contacts + at_risk, waiting=waiting, at_risk=at_risk)
        return await _measure(database, model, contacts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--waiting", type=int, help="leads that wait; all of them by default")
    parser.add_argument("--at-risk", type=int, default=0, help="customers besides, whose next purchase is overdue")
    given = parser.parse_args()
    waiting = given.contacts if given.waiting is None else given.waiting
    return 0 if asyncio.run(_run(given.contacts, waiting, given.at_risk)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
