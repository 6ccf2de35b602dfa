"""What sources and campaigns cost, as it was recorded, and how it is shared."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.api.shapes import amount
from services.scoring.domain.funnel.journey import spelt
from services.scoring.domain.model.model import Model
from services.scoring.models import InForce
from services.scoring.store import costs as store
from services.scoring.store.costs import Spread
from shared.http.amount import Amount
from shared.http.auth import Tokens
from shared.http.cursor import Cursor, Part, encode_cursor, moment, read_cursor
from shared.http.queries import without_nul

_LONGEST: Final = 300
Limit = Annotated[int, Query(ge=1, le=500)]
Name = Annotated[str | None, Query(max_length=_LONGEST)]


class CostItem(BaseModel):
    """One recorded cost. `until` is not part of its period; null names: of any source, of any campaign."""

    source: str | None
    campaign: str | None
    since: datetime
    until: datetime
    amount: Amount
    told_at: datetime
    leads: Annotated[int, Field(description="of the period, who share it")]
    shared: Annotated[Amount | None, Field(description="in the base currency; null: not yet, or it waits for a rate")]
    per_lead: Annotated[Amount | None, Field(description="null without leads: it is then nobody's cost")]


class Costs(BaseModel):
    """Costs by their periods, the newest first."""

    items: list[CostItem]
    next: str | None


def routes(engine: AsyncEngine, models: InForce, tokens: Tokens) -> APIRouter:
    """The routes; each needs a token with the scope `read`."""
    router = APIRouter(prefix="/v1", tags=["figures"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/costs")
    async def costs(source: Name = None, campaign: Name = None, cursor: Cursor = None, limit: Limit = 100) -> Costs:
        """What was recorded of sources and campaigns, and how many leads share it."""
        after = read_cursor(cursor, moment, _key) if cursor else None
        async with engine.connect() as conn:
            page = await store.newest(
                conn,
                limit,
                None if after is None else (after[0], after[1]),
                source=source and spelt(source),
                campaign=campaign and spelt(campaign),
            )
        last = page[-1].cost if len(page) == limit else None
        return Costs(
            items=[_item(each, models.model) for each in page],
            next=encode_cursor(last.since, last.key) if last else None,
        )

    return router


def _key(part: Part) -> str:
    if not isinstance(part, str) or "\0" in part:
        raise ValueError
    return part


def _item(each: Spread, model: Model) -> CostItem:
    cost, shared = each.cost, each.spread if each.looked_at is not None else None
    return CostItem(
        source=cost.source,
        campaign=cost.campaign,
        since=cost.since,
        until=cost.until,
        amount=Amount(amount=cost.amount, currency=cost.currency),
        told_at=cost.told_at,
        leads=each.leads,
        shared=None if shared is None else amount(shared, model),
        per_lead=None if shared is None or not each.leads else amount(round(shared / each.leads), model),
    )
