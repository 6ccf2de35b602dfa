"""How long the lists that a person looks into take when nurture keeps millions of rows, and by which index.

Fills a database of its own by COPY: one run, one webhook and one task for each row; one in a thousand has failed, is
open or was missed, and one came too late. Aim: < 5 ms for a page of 100 at 5,000,000 rows.

    python -m benchmarks.lists --rows 5000000
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.stack import bench_postgres
from services.nurture.store import lists
from services.nurture.store.lists import Page
from shared.clock import utc_now
from shared.db.engine import make_engine
from shared.db.migrate import migrate

_AT_ONCE: Final = 50_000
_RARE: Final = 1000
_PAGE: Final = Page(100, None)
_LISTS: Final[dict[str, tuple[str, Callable[[AsyncConnection], Awaitable[Sequence[Any]]]]]] = {
    "tasks?state=open": ("tasks_open", lambda conn: lists.tasks(conn, _PAGE, state="open")),
    "tasks?state=expired": ("tasks_expired", lambda conn: lists.tasks(conn, _PAGE, state="expired")),
    "deliveries?state=failed": ("deliveries_failed", lambda conn: lists.deliveries(conn, _PAGE, state="failed")),
    "deliveries?state=expired": ("deliveries_expired", lambda conn: lists.deliveries(conn, _PAGE, state="expired")),
    "windows?state=missed": ("enrolments_missed", lambda conn: lists.windows(conn, _PAGE, "missed")),
}
_ENROLMENT: Final = (
    "id", "workflow", "version", "contact_id", "status", "listens", "triggered_at", "started_at", "ended_at",
    "window_opened_at", "window_closes_at", "window_stopped_at", "window_stopped_by", "window_missed_at", "document",
)  # fmt: skip
_DELIVERY: Final = (
    "id", "enrolment_id", "step", "channel", "target", "endpoint", "is_first", "state", "created_at", "due_at",
    "attempts", "tries", "finished_at", "reason", "payload",
)  # fmt: skip
_TASK: Final = ("id", "enrolment_id", "step", "name", "state", "created_at", "finished_at", "payload")


def _rows(first: int, count: int) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]]:
    start = utc_now() - timedelta(days=365)
    for number in range(first, first + count):
        at = start + timedelta(seconds=number)
        rare, late = number % _RARE == 0, number % _RARE == 1
        run = UUID(int=number + 1)
        sent = "failed" if rare else "expired" if late else "delivered"
        reason = "answered 500" if rare else "too late" if late else None
        yield (
            (
                run, "w", "1", UUID(int=number + 1), "completed", rare, at, at, at, at, at,
                None if rare else at, None if rare else "ana", at if rare else None, b"{}",
            ),
            (
                run, run, "0", "webhook", "crm", "crm", True, sent, at, at, 1, 1, at, reason, b"{}",
            ),
            (
                run, run, "1", "call", "open" if rare else "expired" if late else "cancelled", at,
                None if rare else at, b"{}",
            ),
        )  # fmt: skip


async def _fill(url: str, rows: int) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute("SET synchronous_commit = off")
        await conn.execute("INSERT INTO nurture.workflow_versions (name, version, source) VALUES ('w', '1', '')")
        for first in range(0, rows, _AT_ONCE):
            some = list(_rows(first, min(_AT_ONCE, rows - first)))
            for table, columns, index in (
                ("enrolments", _ENROLMENT, 0),
                ("deliveries", _DELIVERY, 1),
                ("tasks", _TASK, 2),
            ):
                await conn.copy_records_to_table(
                    table, schema_name="nurture", columns=columns, records=[each[index] for each in some]
                )
        await conn.execute("VACUUM ANALYZE")
    finally:
        await conn.close()


async def _measure(url: str) -> bool:
    """Print what each list takes; whether each used its index and took less than 5 ms."""
    good = True
    engine = make_engine(url, application="benchmark", schema="nurture")
    async with engine.connect() as conn:
        for name, (index, page) in _LISTS.items():
            taken = []
            for _ in range(50):
                started = time.perf_counter()
                assert len(await page(conn)) <= _PAGE.limit
                taken.append((time.perf_counter() - started) * 1000)
            used = (await conn.exec_driver_sql(f"SELECT pg_stat_get_xact_numscans('{index}'::regclass)")).scalar_one()
            fastest = min(taken)  # what else the machine does is not measured
            good &= fastest < 5 and used >= len(taken)
            by = f"by {index} in {used} of {len(taken)}"
            print(f"{name}: {fastest:.2f} ms (median {statistics.median(taken):.2f} ms), {by}", flush=True)
    await engine.dispose()
    return good


async def _run(rows: int) -> bool:
    async with bench_postgres(fsync=False) as database:
        await migrate(database, "nurture")
        await _fill(database, rows)
        return await _measure(database)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    return 0 if asyncio.run(_run(parser.parse_args().rows)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
