"""Scoring's look for the rollup (shared/db/rollup.py)."""

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.metrics import Figures
from services.scoring.store import figures as store
from shared.db.rollup import Look


def look(registry: CollectorRegistry) -> Look:
    """Set the gauges of this registry from what Postgres holds."""
    gauges = Figures(registry)

    async def take(conn: AsyncConnection) -> None:
        gauges.unpublished.set(await store.unpublished(conn))
        waiting = await store.without_rate(conn)
        gauges.waiting.clear()  # a currency that has its rate by now is gone
        for currency, amounts in waiting.items():
            gauges.waiting.labels(currency).set(amounts)
        everyone, untouched = await store.open_leads(conn)
        gauges.open_leads.labels("all").set(everyone)
        gauges.open_leads.labels("untouched").set(untouched)

    return take
