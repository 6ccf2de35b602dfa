"""What a day's sweep costs, and the nightly fit of the customers' models.

All of the sweep's steps one after the other, on a Postgres of its own with fsync; beside live traffic it leaves half of
the time to that. On the first day every value changes (a worst case), on the second those of a usual day: of leads of
three years, a tenth of whom came within the last 30 days. Aims: 1,000,000 contacts in 60 s, 1,000,000 customers in 2 s.

    python -m benchmarks.sweep --contacts 1000000
"""

import argparse
import asyncio
import gc
import json
import os
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.filling import fill_scoring
from benchmarks.scoring import postgres_cpu
from benchmarks.stack import bench_postgres
from services.scoring.config import load_scoring
from services.scoring.facts import FactMaker
from services.scoring.jobs.sweep import Sweeping
from services.scoring.models import InForce
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from shared.db.migrate import migrate

ROOT: Final = Path(__file__).parents[1]
_WEEKS: Final = 156.0
_CHANGED: Final = sa.text("SELECT count(*) FROM bookings WHERE event_id = contact_id AND time = :now")


async def sweeps(contacts: int) -> AsyncIterator[dict[str, Any]]:
    """The two days after they were filled. What is filled stands at values by chance, not those of the model."""
    model = load_scoring(ROOT / "config")
    async with bench_postgres(fsync=True) as database:
        await migrate(database, "scoring")
        await fill_scoring(database, model, contacts=contacts, waiting=contacts // 10)
        os.sync()
        engine = make_engine(database, application="benchmark", schema="scoring")
        for day in (1, 2):
            now = utc_now() + timedelta(days=day)
            yield {"day": day, **await _swept(engine, InForce(model), now, contacts)}
        await engine.dispose()


async def _swept(engine: AsyncEngine, models: InForce, now: datetime, contacts: int) -> dict[str, Any]:
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the services do
    job = Sweeping(engine, models, FactMaker(b"s", new_id), lambda: now, CollectorRegistry())
    began, cpu, of_postgres = time.monotonic(), time.process_time(), postgres_cpu()
    while await job.step():
        pass
    took = time.monotonic() - began
    async with engine.connect() as conn:
        changed = (await conn.execute(_CHANGED, {"now": now})).scalar_one()
    return {
        "contacts": contacts, "changed": changed,
        "seconds": round(took, 1), "contacts_per_second": round(contacts / took),
        "cpu_us_a_contact": round((time.process_time() - cpu) / contacts * 1e6, 1),
        "postgres_us_a_contact": round((postgres_cpu() - of_postgres) / contacts * 1e6, 1),
    }  # fmt: skip


def fit(customers: int) -> dict[str, Any]:
    """Purchases and spend, of histories drawn from the models themselves."""
    import numpy as np  # noqa: PLC0415 - only the fit has it

    from services.scoring.training.customers.fit import fit_purchases, fit_spend  # noqa: PLC0415

    dice = np.random.default_rng(5)
    age = dice.uniform(1.0, _WEEKS, customers)
    rate = dice.gamma(0.5, 1 / 4.0, customers)
    until = np.minimum(age, dice.exponential(40.0, customers))
    x = dice.poisson(rate * until).astype(np.float64)
    last = np.where(x > 0, until * dice.beta(np.maximum(x, 1.0), 1.0), 0.0)
    mean = dice.gamma(6.0 * np.maximum(x, 1.0), 1.0) / np.maximum(x, 1.0) * dice.gamma(4.0, 10.0, customers)
    began = time.monotonic()
    fit_purchases(x, last, age, "bg")
    fit_spend(x, mean)
    return {"customers": customers, "fit_seconds": round(time.monotonic() - began, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    given = parser.parse_args()
    print(json.dumps(fit(given.contacts)), flush=True)

    async def show() -> None:
        async for each in sweeps(given.contacts):
            print(json.dumps(each), flush=True)

    asyncio.run(show())


if __name__ == "__main__":
    main()
