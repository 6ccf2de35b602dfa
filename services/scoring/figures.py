"""Scoring's queries for the rollup (shared/db/rollup.py)."""

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.load import Load
from services.scoring.metrics import Figures
from services.scoring.store import figures as store
from shared.db.rollup import Look


def look(registry: CollectorRegistry, load: Load) -> Look:
    """Set the gauges of this registry, and the load, from what Postgres holds."""
    gauges = Figures(registry)

    async def take(conn: AsyncConnection) -> None:
        gauges.unpublished.set(await store.unpublished(conn))
        waiting = await store.without_rate(conn)
        gauges.waiting.clear()  # a currency that has a rate by now drops out
        for currency, amounts in waiting.items():
            gauges.waiting.labels(currency).set(amounts)
        leads = await store.open_leads(conn)
        load.note(leads)
        gauges.open_leads.labels("all").set(leads.everyone)
        gauges.open_leads.labels("untouched").set(leads.untouched)

    return take
