"""Refits the models from what is stored, and activates what is better. Runs as a process of its own.

numpy and scipy are imported here and never by the service, which starts this as a child (jobs/refit.py).
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.config import load_scoring
from services.scoring.domain.customer.days import day_of
from services.scoring.domain.model.learnt import KINDS, Kind, ModelUnusableError, read_customer, read_lead
from services.scoring.domain.model.model import Model
from services.scoring.store import models as store
from services.scoring.store.contacts import history
from services.scoring.store.models import StoredModel
from services.scoring.training import child
from services.scoring.training.candidate import Candidate, TooFewError
from services.scoring.training.customers.fit import FitFailedError
from services.scoring.training.customers.model import Customer, fit_customer_model
from services.scoring.training.leads.dataset import read_leads
from services.scoring.training.leads.model import fit_lead_model
from services.scoring.training.response import fit_curves
from shared.clock import utc_now

_MOST_CONTACTS: Final = 100_000  # of a fit of leads: the newest


@dataclass(frozen=True, slots=True)
class Fitted:
    """The result of fitting one kind. `version` is None when there is no model."""

    kind: Kind
    version: str | None
    in_force: bool
    said: str


async def fit_models(engine: AsyncEngine, settings: Model, kinds: Sequence[Kind], now: datetime) -> list[Fitted]:
    """Fit, store, and activate what beats the model in force. Does nothing while another process is fitting."""
    async with engine.begin() as conn:
        if not await store.alone(conn):
            return [Fitted(kind, None, in_force=False, said="another process is fitting the models") for kind in kinds]
        fitted = [await _fit(conn, settings, kind, now) for kind in kinds]
        for each in fitted:
            await store.note_fits(conn, [each.kind], now, each.said)
    return fitted


async def _fit(conn: AsyncConnection, settings: Model, kind: Kind, now: datetime) -> Fitted:
    champion = (await store.champions(conn)).get(kind)
    try:
        candidate = await (_lead if kind == "lead" else _customer)(conn, settings, champion, now)
    except (TooFewError, FitFailedError) as error:
        return Fitted(kind, None, in_force=False, said=str(error))
    if champion is not None and champion.version == candidate.version:
        return Fitted(kind, candidate.version, in_force=True, said="the same as the model in force")
    await store.add(
        conn,
        StoredModel(
            candidate.version, kind, "challenger", candidate.parameters, candidate.metrics, candidate.rows,
            candidate.trained_until, now, None, candidate.said,
        ),
    )  # fmt: skip
    if candidate.better:
        await store.choose(conn, kind, candidate.version, now)
    return Fitted(kind, candidate.version, candidate.better, candidate.said)


async def _lead(conn: AsyncConnection, settings: Model, champion: StoredModel | None, now: datetime) -> Candidate:
    leads = await read_leads(conn, settings, now, await history.who_asked(conn, _MOST_CONTACTS))
    await store.note_curves(conn, await asyncio.to_thread(fit_curves, leads.answered, settings.queue, now))
    in_force, since = None, None
    if champion is not None:
        try:
            in_force = settings.with_learnt(read_lead(champion.version, champion.parameters), None).learnt.lead
        except ModelUnusableError:
            in_force = None
        since = champion.trained_until.timestamp() if in_force is not None else None
    return await asyncio.to_thread(fit_lead_model, leads.looks, settings, in_force, since)


async def _customer(conn: AsyncConnection, _settings: Model, champion: StoredModel | None, now: datetime) -> Candidate:
    customers: list[Customer] = [(each.days, each.earlier) async for each in history.customers(conn)]
    in_force, since = None, None
    if champion is not None:
        try:
            in_force = read_customer(champion.version, champion.parameters)
        except ModelUnusableError:
            in_force = None
        since = day_of(champion.trained_until.timestamp()) if in_force is not None else None
    return await asyncio.to_thread(fit_customer_model, customers, day_of(now.timestamp()), in_force, since)


async def fit_all(database: str, config: Path, kinds: Sequence[Kind] = KINDS) -> list[Fitted]:
    """The same, in the database of an installation."""
    async with child.one_connection(database, "firsthour-fit") as engine:
        return await fit_models(engine, load_scoring(config), kinds, utc_now())


if __name__ == "__main__":
    sys.exit(child.run(fit_all))
