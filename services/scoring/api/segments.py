"""`GET /v1/segments` and `GET /v1/rfm`: how many contacts there are of each kind, and what they are worth."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.api.shapes import amount
from services.scoring.domain.funnel.segments import MEANS, segment
from services.scoring.domain.model.model import Model
from services.scoring.models import InForce
from services.scoring.store import segments as store
from services.scoring.store.segments import Row
from shared.clock import utc_now
from shared.http.amount import Amount
from shared.http.auth import Tokens
from shared.http.queries import without_nul


class Worth(BaseModel):
    """How many they are, and what they are worth together and each."""

    contacts: int
    lead_value: Amount
    customer_value: Amount
    value_each: Amount | None


class TierPart(Worth):
    """Those of the segment who have this tier; null: none."""

    tier: str | None


class Segment(Worth):
    """A segment, and what it means. By tier, the most valuable first."""

    segment: str
    means: str
    tiers: list[TierPart]


class Segments(BaseModel):
    """Everybody, each in one segment."""

    as_of: datetime
    items: list[Segment]


class RfmCell(Worth):
    """Customers of one cell; each digit is a fifth of all customers, 5 the best."""

    cell: str
    recency: int
    frequency: int
    monetary: int
    segment: str


class Cuts(BaseModel):
    """Four rising cut points each; what lies on one falls below it. Frozen until the next fit."""

    recency_days: list[float]
    frequency_days: Annotated[list[float], Field(description="days with a purchase")]
    monetary: list[Amount]


class Rfm(BaseModel):
    """All customers by recency, frequency and what they spent. `cuts` null: no customer model has been fitted yet."""

    as_of: datetime
    model: str | None
    cuts: Cuts | None
    cells: list[RfmCell]


def routes(engine: AsyncEngine, models: InForce, tokens: Tokens) -> APIRouter:
    """The routes; each needs a token with the scope `read`."""
    router = APIRouter(prefix="/v1", tags=["figures"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/segments")
    async def segments() -> Segments:
        """How many contacts each segment has, and what they are worth."""
        async with engine.connect() as conn:
            rows = await store.everybody(conn)
        model = models.model
        by_name: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            by_name[segment(row.cell)].append(row)
        items = [
            Segment(segment=name, means=means, tiers=_tiers(by_name[name], model), **_worth(by_name[name], model))
            for name, means in MEANS.items()
            if by_name[name]
        ]
        return Segments(as_of=utc_now(), items=items)

    @router.get("/rfm")
    async def rfm() -> Rfm:
        """Customers by how lately, how often and for how much they bought, as of each one's last change or day."""
        model = models.model
        learnt = model.learnt.customer
        if learnt is None:
            return Rfm(as_of=utc_now(), model=None, cuts=None, cells=[])
        async with engine.connect() as conn:
            rows = await store.everybody(conn)
        by_cell: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row.cell.rfm:
                by_cell[row.cell.rfm].append(row)
        return Rfm(
            as_of=utc_now(),
            model=learnt.version,
            cuts=Cuts(
                recency_days=list(learnt.cuts.recency),
                frequency_days=list(learnt.cuts.frequency),
                monetary=[amount(round(each), model) for each in learnt.cuts.monetary],
            ),
            cells=[
                RfmCell(
                    cell=cell,
                    recency=int(cell[0]),
                    frequency=int(cell[1]),
                    monetary=int(cell[2]),
                    segment=segment(theirs[0].cell),
                    **_worth(theirs, model),
                )
                for cell, theirs in sorted(by_cell.items(), reverse=True)
            ],
        )

    return router


def _tiers(rows: Iterable[Row], model: Model) -> list[TierPart]:
    by_tier: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_tier[row.cell.tier].append(row)
    parts = [TierPart(tier=tier or None, **_worth(theirs, model)) for tier, theirs in sorted(by_tier.items())]
    names = [name for name, _ in model.scorecard.tiers]
    return sorted(parts, key=lambda part: names.index(part.tier) if part.tier in names else len(names))


def _worth(rows: Iterable[Row], model: Model) -> dict[str, Any]:
    contacts = lead = customer = 0
    for row in rows:
        sums = row.sums
        contacts, lead, customer = contacts + sums.contacts, lead + sums.lead_value, customer + sums.customer_value
    return {
        "contacts": contacts,
        "lead_value": amount(lead, model),
        "customer_value": amount(customer, model),
        "value_each": amount(round((lead + customer) / contacts), model) if contacts else None,
    }
