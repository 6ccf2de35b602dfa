"""`GET /v1/funnel`: how far those who come get, by source, campaign and week, and where most is lost."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.api.responses import Share, share
from services.scoring.api.shapes import amount
from services.scoring.domain import intervals
from services.scoring.domain.funnel import bottleneck as judging
from services.scoring.domain.funnel.levels import BEFORE, LEVELS, levels, summed
from services.scoring.domain.funnel.places import EDGES_MIN, STAGES, Place
from services.scoring.domain.model.model import Model
from services.scoring.models import InForce
from services.scoring.store import funnel as store
from services.scoring.store.funnel import Row
from shared.clock import utc_now
from shared.http.amount import Amount
from shared.http.auth import Tokens
from shared.http.queries import without_nul

WEEKS: Final = 26
_MOST_CAMPAIGNS: Final = 50
_HOUR_MIN: Final = 60


class StageOf(BaseModel):
    """Those who came so far or farther, and what all of them are worth now.

    `rate`: of those at the stage `of`. `median_hours`: from there to here. `cost_each`: what was spent on leads for
    each who came here; null where nobody did, or before they are leads.
    """

    stage: str
    contacts: int
    of: str | None
    rate: Share | None
    value: Amount
    value_each: Amount | None
    cost_each: Amount | None
    median_hours: Annotated[float | None, Field(description="null beyond a year, and for campaigns and weeks")]


class FunnelPart(BaseModel):
    """Those of one source or campaign, or first seen in one week (its Monday)."""

    name: str
    stages: list[StageOf]


class Bottleneck(BaseModel):
    """Where most customers are lost against the targets. `where` null: too few came to say.

    `missing_customers`: so many more there would be, worth `gain`. `says`: all of it in a sentence or two.
    """

    where: Annotated[str | None, Field(description="awareness, lead generation, lead quality, nurturing or retention")]
    stage: str | None
    rate: Share | None
    target: float | None
    missing_customers: float
    gain: Amount | None
    says: str


class Leads(BaseModel):
    """Those who asked to be contacted. `open`: who have not bought (yet)."""

    count: int
    open: int
    conversion_rate: Share
    acquisition_cost: Amount | None
    value_each: Amount | None


class Customers(BaseModel):
    """Those who bought. `direct` never asked before. `acquisition_cost`: what all leads cost, for each customer.

    `retention`: the share who bought on a later day again; `frequency`: days with a purchase for each customer;
    `upsell`: by how much a later day's purchase is worth more than a first one, of 0.1 a tenth more.
    """

    count: int
    direct: int
    acquisition_cost: Amount | None
    retention: Share
    average_order_value: Amount | None
    frequency: float | None
    upsell: float | None
    lifetime_value: Amount | None


class Funnel(BaseModel):
    """How far those come who were first seen in the last weeks. Whoever buys has passed all stages before."""

    since: date
    as_of: datetime
    stages: list[StageOf]
    bottleneck: Bottleneck
    leads: Leads
    customers: Customers
    sources: list[FunnelPart]
    campaigns: list[FunnelPart]
    weeks: list[FunnelPart]


def routes(engine: AsyncEngine, models: InForce, tokens: Tokens) -> APIRouter:
    """The route; it needs a token with the scope `read`."""
    router = APIRouter(prefix="/v1", tags=["figures"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/funnel")
    async def funnel(weeks: Annotated[int, Query(ge=1, le=260)] = WEEKS) -> Funnel:
        """Visitors, leads, engaged, qualified, customers, repeat, advocates: of those first seen in the last weeks."""
        async with engine.connect() as conn:
            return await the_funnel(conn, models.model, utc_now(), weeks)

    return router


async def the_funnel(conn: AsyncConnection, model: Model, now: datetime, weeks: int) -> Funnel:
    """The funnel of this week and those before it, `weeks` in all."""
    today = now.date()
    since = today - timedelta(days=today.weekday(), weeks=weeks - 1)
    both = await store.since(conn, since - timedelta(weeks=weeks))
    rows = [row for row in both if row.place.week >= since]
    judged = judging.Judged(model.targets, model.currency)
    found = judging.bottleneck(rows, [row for row in both if row.place.week < since], today, judged)
    steps, costs = await store.steps(conn, since), _Costs(model)
    of_all: dict[str, Counter[int]] = defaultdict(Counter)
    for (_, stage), buckets in steps.items():
        of_all[stage].update(buckets)
    return Funnel(
        since=since,
        as_of=now,
        stages=_stages(rows, model, costs.of(rows), of_all),
        bottleneck=_bottleneck(found, model),
        leads=_leads(rows, model, costs),
        customers=_customers(rows, model, costs),
        sources=[
            FunnelPart(name=name, stages=_stages(theirs, model, costs.of(theirs), _of(steps, name)))
            for name, theirs in _grouped(rows, lambda row: row.place.name)
        ],
        campaigns=[
            FunnelPart(name=name, stages=_stages(theirs, model, costs.of_campaign(theirs), {}))
            for name, theirs in _grouped(
                await store.campaigns(conn, since, _MOST_CAMPAIGNS), lambda row: row.place.name
            )
        ],
        weeks=[
            FunnelPart(name=name, stages=_stages(theirs, model, costs.of(theirs), {}))
            for name, theirs in _grouped(rows, lambda row: str(row.place.week))
        ],
    )


class _Costs:
    """What leads cost."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def of(self, rows: Iterable[Row]) -> int:
        """What those cost who asked, in base minor units: as it was recorded, else as their source costs as a rule."""
        return sum(row.sums.cost + (row.sums.asked - row.sums.recorded) * self._rule(row.place) for row in rows)

    def of_campaign(self, rows: Sequence[Row]) -> int | None:
        """The same of a campaign, which has no rule: None where the cost of some was not recorded."""
        known = all(row.sums.recorded == row.sums.asked for row in rows)
        return sum(row.sums.cost for row in rows) if known and any(row.sums.recorded for row in rows) else None

    def _rule(self, place: Place) -> int:
        return self._model.scorecard.source(place.name).cost


def _stages(
    rows: Sequence[Row], model: Model, cost: int | None, steps: Mapping[str, Mapping[int, int]]
) -> list[StageOf]:
    reached = levels(rows)
    found = []
    for stage in LEVELS:
        here, before = reached[stage], BEFORE.get(stage)
        half = intervals.median(steps.get(stage, {}), EDGES_MIN)
        found.append(
            StageOf(
                stage=stage,
                contacts=here.contacts,
                of=before,
                rate=None if before is None else share(intervals.share(here.contacts, reached[before].contacts)),
                value=amount(here.value, model),
                value_each=_each(here.value, here.contacts, model),
                cost_each=None if cost is None or stage == STAGES[0] else _each(cost, here.contacts, model),
                median_hours=None if half is None else round(half / _HOUR_MIN, 2),
            )
        )
    return found


def _leads(rows: Sequence[Row], model: Model, costs: _Costs) -> Leads:
    asked = sum(row.sums.asked for row in rows)
    bought = sum(row.sums.asked for row in rows if _is_customer(row))
    still = summed([row for row in rows if not _is_customer(row)])
    return Leads(
        count=asked,
        open=asked - bought,
        conversion_rate=share(intervals.share(bought, asked)),
        acquisition_cost=_each(costs.of(rows), asked, model),
        value_each=_each(still.lead_value, asked - bought, model),
    )


def _customers(rows: Sequence[Row], model: Model, costs: _Costs) -> Customers:
    mine = [row for row in rows if _is_customer(row)]
    all_of, again = summed(mine), summed([row for row in mine if row.place.stage == "repeat"])
    later_days = again.days - again.contacts
    upsell = None
    if later_days > 0 and again.first_spent > 0:
        later = (again.spent - again.first_spent) / later_days
        upsell = round(later / (again.first_spent / again.contacts) - 1, 4)
    return Customers(
        count=all_of.contacts,
        direct=all_of.direct,
        acquisition_cost=_each(costs.of(rows), all_of.contacts, model),
        retention=share(intervals.share(again.contacts, all_of.contacts)),
        average_order_value=_each(all_of.spent, all_of.orders, model),
        frequency=round(all_of.days / all_of.contacts, 4) if all_of.contacts else None,
        upsell=upsell,
        lifetime_value=_each(all_of.customer_value, all_of.contacts, model),
    )


def _is_customer(row: Row) -> bool:
    return row.place.stage in ("customer", "repeat")


def _bottleneck(found: judging.Bottleneck, model: Model) -> Bottleneck:
    return Bottleneck(
        where=found.where,
        stage=found.stage,
        rate=None if found.rate is None else share(found.rate),
        target=found.target,
        missing_customers=round(found.missing, 1),
        gain=None if found.gain is None else amount(found.gain, model),
        says=found.says,
    )


def _grouped(rows: Iterable[Row], name: Callable[[Row], str]) -> list[tuple[str, list[Row]]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[name(row)].append(row)
    return sorted(found.items())


def _of(steps: Mapping[tuple[str, str], Mapping[int, int]], source: str) -> dict[str, Mapping[int, int]]:
    return {stage: buckets for (name, stage), buckets in steps.items() if name == source}


def _each(total: int, of: int, model: Model) -> Amount | None:
    return amount(round(total / of), model) if of else None
