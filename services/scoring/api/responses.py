"""`GET /v1/response-times`: how soon leads are answered, by source and person, and what the delay cost."""

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.api.shapes import amount
from services.scoring.domain import intervals
from services.scoring.domain.intervals import Interval
from services.scoring.domain.model.model import Model
from services.scoring.domain.responses import median, within
from services.scoring.models import InForce
from services.scoring.store import responses as store
from services.scoring.store.responses import Row
from shared.clock import utc_now
from shared.http.amount import Amount
from shared.http.auth import Tokens
from shared.http.queries import without_nul


class Share(BaseModel):
    """A share with its 95 % interval (Wilson)."""

    share: float
    low: float
    high: float


class Cost(BaseModel):
    """What a lead lost on average until somebody got in touch, with its 95 % interval (Student's t)."""

    mean: Amount
    low: Annotated[Amount | None, Field(description="null of a single answer, which says nothing of others")]
    high: Amount | None


class Answers(BaseModel):
    """Leads that a person got in touch with. `lost`: by the response curve, against an answer in the first moment."""

    answers: int
    within_5_minutes: Share
    within_60_minutes: Share
    median_minutes: Annotated[float | None, Field(description="null beyond a day")]
    lost: Amount
    lost_per_lead: Cost


class Group(Answers):
    """The answers to one source's leads, or by one person."""

    name: str


class ResponseTimes(BaseModel):
    """How soon leads were answered. Leads without an answer are in the queue, not here."""

    since: date
    as_of: datetime
    all: Answers
    sources: list[Group]
    reps: list[Group]


def routes(engine: AsyncEngine, models: InForce, tokens: Tokens) -> APIRouter:
    """The route; it needs a token with the scope `read`."""
    router = APIRouter(prefix="/v1", tags=["figures"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/response-times")
    async def response_times(days: Annotated[int, Query(ge=1, le=3650)] = 30) -> ResponseTimes:
        """How fast people were followed up in the last days, by source and person, and what the delay cost."""
        now = utc_now()
        since = now.date() - timedelta(days=days - 1)
        async with engine.connect() as conn:
            rows = await store.since(conn, since)
        model = models.model
        return ResponseTimes(
            since=since,
            as_of=now,
            all=_answers(rows, model),
            sources=_groups([(row.source, row) for row in rows], model),
            reps=_groups([(row.rep, row) for row in rows], model),
        )

    return router


def _groups(named: Iterable[tuple[str, Row]], model: Model) -> list[Group]:
    by_name: dict[str, list[Row]] = defaultdict(list)
    for name, row in named:
        by_name[name].append(row)
    return [Group(name=name, **_answers(rows, model).model_dump()) for name, rows in sorted(by_name.items())]


def _answers(rows: Iterable[Row], model: Model) -> Answers:
    buckets: dict[int, int] = defaultdict(int)
    lost, squares = 0, 0.0
    for row in rows:
        buckets[row.bucket] += row.sums.answers
        lost += row.sums.lost
        squares += row.sums.squares
    answers, half = sum(buckets.values()), median(buckets)
    mean, low, high = intervals.mean(lost, squares, answers)
    return Answers(
        answers=answers,
        within_5_minutes=share(intervals.share(within(buckets, 5), answers)),
        within_60_minutes=share(intervals.share(within(buckets, 60), answers)),
        median_minutes=None if half is None else round(half, 1),
        lost=amount(lost, model),
        lost_per_lead=Cost(
            mean=amount(round(mean), model),
            low=None if math.isinf(low) else amount(round(max(0.0, low)), model),  # nobody gains by waiting
            high=None if math.isinf(high) else amount(round(high), model),
        ),
    )


def share(of: Interval) -> Share:
    """The share as it is shown."""
    return Share(share=round(of.value, 4), low=round(of.low, 4), high=round(of.high, 4))
