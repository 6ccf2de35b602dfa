"""Nurture's queries for the rollup (shared/db/rollup.py)."""

from collections.abc import Collection

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.metrics import WINDOW_STATES, Figures
from services.nurture.store import figures as store
from shared.db.rollup import Look


def look(registry: CollectorRegistry, *, endpoints: Collection[str], workflows: Collection[str]) -> Look:
    """Set the gauges of this registry from what Postgres holds.

    `endpoints`: the names of all queues; `workflows`: of those that show a 0 where there is nothing.
    """
    gauges = Figures(registry)

    async def take(conn: AsyncConnection) -> None:
        none = {(workflow, state): 0 for workflow in workflows for state in WINDOW_STATES}
        windows = none | await store.windows(conn)
        gauges.windows.clear()  # workflows come and go
        for (workflow, state), count in windows.items():
            gauges.windows.labels(workflow, state).set(count)
        for queue in await store.queues(conn, endpoints):
            gauges.due.labels(queue.endpoint).set(queue.due)
            gauges.oldest_due.labels(queue.endpoint).set(queue.oldest_s)
        for kind, seconds in (await store.timers(conn)).items():
            gauges.timers.labels(kind).set(seconds)
        gauges.claimed.set(await store.claimed(conn))
        for gauge, counts, parts in (
            (gauges.facts, await store.facts(conn), ("waiting", "parked")),
            (gauges.tasks, await store.tasks(conn), ("open", "overdue")),
        ):
            for part, count in zip(parts, counts, strict=True):
                gauge.labels(part).set(count)

    return take
