"""Whom to contact now: the queue over HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.api.shapes import Contact, amount, shown
from services.scoring.domain import queue
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model import Model
from services.scoring.models import InForce
from services.scoring.store import claims, reads
from services.scoring.store.reads import StoredContact
from shared.clock import utc_now
from shared.http.amount import Amount
from shared.http.auth import Tokens
from shared.http.queries import without_nul

_DAYS: Final = 30
_CANDIDATES: Final = 5000
_KNOTS_MIN: Final = (0, 1, 2, 5, 10, 20, 30, 45, 60)
Limit = Annotated[int, Query(ge=1, le=500)]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Somebody who waits: the index, minutes since the capture, and what handling it at once was worth."""

    index: float
    age: float
    at_once: float
    stored: StoredContact


class Reason(BaseModel):
    """What one factor adds to the value."""

    factor: str
    amount: Amount


class Knot(BaseModel):
    """What is lost by then, if nobody answers until then: a page draws the line between two of them."""

    minutes: int
    lost: Amount


class QueueItem(BaseModel):
    """Somebody to contact. `index`: base minor units lost over the next hour per minute of delay and of work."""

    contact: Contact
    index: float
    lost_per_minute: Amount
    age_minutes: float
    why: str
    reasons: list[Reason]
    loss: list[Knot]


class Queue(BaseModel):
    """Whom to contact now, the most urgent first."""

    items: list[QueueItem]


def routes(engine: AsyncEngine, models: InForce, tokens: Tokens) -> APIRouter:
    """The routes; each needs a token with the scope `read`."""
    router = APIRouter(prefix="/v1", tags=["queue"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/queue")
    async def whom_to_contact(
        limit: Limit = 50,
        source: Annotated[str | None, Query(max_length=200, description="of this source alone")] = None,
        country: Annotated[str | None, Query(max_length=64, description="of this country alone")] = None,
    ) -> Queue:
        """Leads that no person has reached and no one has taken on, by what a delay costs. Computed at each request."""
        async with engine.connect() as conn:
            return Queue(items=await the_queue(conn, models.model, utc_now(), limit, source=source, country=country))

    return router


async def the_queue(
    conn: AsyncConnection,
    model: Model,
    now: datetime,
    limit: int,
    *,
    source: str | None = None,
    country: str | None = None,
) -> list[QueueItem]:
    """The top of the queue with its reasons."""
    ranked = await ranked_now(conn, model, now, limit, source=source, country=country)
    why = await reads.reasons(conn, [each.stored.state.id for each in ranked])
    return [_item(each, why, model) for each in ranked]


async def ranked_now(
    conn: AsyncConnection,
    model: Model,
    now: datetime,
    limit: int,
    *,
    source: str | None = None,
    country: str | None = None,
) -> list[Ranked]:
    """Who waits in this moment, the most urgent first; without whom somebody has or has put off."""
    waiting = await reads.waiting(conn, now - timedelta(days=_DAYS), _CANDIDATES)
    if source is not None:
        waiting = [
            each for each in waiting if (each.state.source or "").rpartition("/")[2] == source.rpartition("/")[2]
        ]
    if country is not None:
        waiting = [each for each in waiting if str(each.state.get("trait:country")).lower() == country.lower()]
    held = await claims.held(conn, [each.state.id for each in waiting], now)
    return _ranked([each for each in waiting if each.state.id not in held], model, now)[:limit]


def _ranked(waiting: Sequence[StoredContact], model: Model, now: datetime) -> list[Ranked]:
    ranked = []
    for each in waiting:
        age = (now.timestamp() - (each.state.captured or now.timestamp())) / 60
        at_once = lead_value.at_once(each.state, model)
        index = queue.index(model.response, at_once, age, model.handling_minutes)
        ranked.append(Ranked(index, age, at_once, each))
    return sorted(ranked, key=lambda item: (-item.index, item.stored.state.id))


def _item(ranked: Ranked, why: Mapping[UUID, Mapping[str, int]], model: Model) -> QueueItem:
    factors = sorted(why.get(ranked.stored.state.id, {}).items(), key=lambda item: -abs(item[1]))
    curve, now = model.response, queue.worth(model.response, ranked.at_once, ranked.age)
    return QueueItem(
        contact=shown(ranked.stored, model),
        index=round(ranked.index, 6),
        lost_per_minute=amount(round(queue.loss_rate(curve, ranked.at_once, ranked.age)), model),
        age_minutes=round(ranked.age, 2),
        why=_why(ranked, factors, model),
        reasons=[Reason(factor=factor, amount=amount(minor, model)) for factor, minor in factors[:3]],
        loss=[
            Knot(
                minutes=minutes,
                lost=amount(round(now - queue.worth(curve, ranked.at_once, ranked.age + minutes)), model),
            )
            for minutes in _KNOTS_MIN
        ],
    )


_SAYS: Final = {
    "source": "its source",
    "traits": "who it is",
    "engagement": "what it did",
    "revenue": "what it says it will spend",
    "time": "how lately it came",
}


def _why(ranked: Ranked, factors: Sequence[tuple[str, int]], model: Model) -> str:
    """The reason in one sentence."""
    lost = ranked.at_once * queue.survival(model.response, ranked.age) - queue.worth(
        model.response, ranked.at_once, ranked.age + queue.HORIZON_MIN
    )
    shown_as = amount(round(lost), model)
    helps = [_SAYS[factor] for factor, minor in factors if minor > 0 and factor in _SAYS][:2]
    because = f", because of {' and '.join(helps)}" if helps else ""
    return f"Waits for {_minutes(ranked.age)}; another hour costs {shown_as.amount} {shown_as.currency}{because}."


def _minutes(age: float) -> str:
    if age < 120:  # noqa: PLR2004 - two hours
        count = int(age)
        return "1 minute" if count == 1 else f"{count} minutes"
    if age < 2 * 1440:
        return f"{int(age / 60)} hours"
    return f"{int(age / 1440)} days"
