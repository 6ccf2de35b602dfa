"""Whom to contact now: the queue over HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, TypedDict
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.api.shapes import Contact, amount, masked, shown
from services.scoring.domain import queue
from services.scoring.domain.contact.places import country_said
from services.scoring.domain.customer.at_risk import at_stake
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model.model import Model
from services.scoring.domain.model.queue_settings import OF_CUSTOMERS, ResponseCurve
from services.scoring.domain.model.sources import short_name
from services.scoring.load import Load
from services.scoring.models import InForce
from services.scoring.store import changes
from services.scoring.store import queue as store
from services.scoring.store.contacts import reads
from services.scoring.store.contacts.reads import StoredContact
from services.scoring.store.queue import Place, Waiting
from shared.clock import utc_now
from shared.events.stages import Account
from shared.http.amount import Amount
from shared.http.auth import Grant, Tokens
from shared.http.cursor import Cursor, encode_cursor, moment, number, read_cursor, row_id
from shared.http.queries import without_nul
from shared.money import from_minor

_KNOTS_MIN: Final = (0, 1, 2, 5, 10, 20, 30, 45, 60)
Limit = Annotated[int, Query(ge=1, le=500)]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of the queue: as of when, in which of the two orders, and behind whom."""

    now: datetime
    overload: bool
    after: Place | None = None


class Filters(TypedDict):
    """The part of the queue that is asked for, as it is stored; None: all."""

    source: str | None
    country: str | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """Somebody waiting: the index, minutes of waiting, and what handling them at once was worth."""

    index: float
    age: float
    at_once: float
    curve: ResponseCurve
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
    kind: Annotated[Account, Field(description="customer: whose next purchase is overdue, for `age_minutes`")]
    index: float
    lost_per_minute: Amount
    age_minutes: float
    why: str
    reasons: list[Reason]
    loss: list[Knot]


class Queue(BaseModel):
    """Whom to contact now, the most urgent first. Later pages show the same moment as the first."""

    items: list[QueueItem]
    next: str | None = None
    rev: Annotated[str, Field(description="changes with the queue; `GET /v1/changes` tells when")]
    as_of: datetime
    overload: Annotated[bool, Field(description="ordered by what is at stake: more come than are reached")]


def routes(engine: AsyncEngine, models: InForce, load: Load, tokens: Tokens) -> APIRouter:
    """The routes; each needs a token with the scope `read`."""
    By = Annotated[Grant, Depends(tokens.read)]  # noqa: N806 - a type
    router = APIRouter(prefix="/v1", tags=["queue"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/queue")
    async def whom_to_contact(
        by: By,
        limit: Limit = 50,
        source: Annotated[str | None, Query(max_length=200, description="of this source alone")] = None,
        country: Annotated[str | None, Query(max_length=64, description="of this country alone")] = None,
        cursor: Cursor = None,
    ) -> Queue:
        """Leads whom no person has reached, and overdue customers, that no one has taken on: by what a delay costs."""
        asked = Asked(utc_now(), load.overload) if cursor is None else _asked(cursor)
        async with engine.connect() as conn:
            page = await the_queue(conn, models.model, asked, limit, source=source, country=country)
        if not by.pii:
            for item in page.items:
                item.contact = masked(item.contact)
        return page

    return router


async def the_queue(
    conn: AsyncConnection,
    model: Model,
    asked: Asked,
    limit: int,
    *,
    source: str | None = None,
    country: str | None = None,
) -> Queue:
    """A page of the queue with its reasons."""
    revision = await changes.revision(conn)  # before the rows: a change that they miss then has a later revision
    waiting = await store.top(
        conn,
        model,
        asked.now,
        limit,
        overload=asked.overload,
        after=asked.after,
        **filters(source, country),
    )
    why = await reads.reasons(conn, [each.contact.state.id for each in waiting])
    ranked = [_ranked(each.contact, model, asked.now) for each in waiting]
    if not asked.overload:  # within a step of worth the newest comes first; within a page, whoever loses most
        ranked.sort(key=lambda each: -each.index)
    return Queue(
        items=[_item(each, why, model) for each in ranked],
        next=_next(waiting[-1], asked) if len(waiting) == limit else None,
        rev=str(revision),
        as_of=asked.now,
        overload=asked.overload,
    )


def filters(source: str | None, country: str | None) -> Filters:
    """The part of these as people write them: a source with or without `/sources/`, a country by code or name."""
    return {"source": None if source is None else short_name(source), "country": country_said(country)}


def _next(last: Waiting, asked: Asked) -> str:
    place = store.place_of(last)
    return encode_cursor(asked.now, int(asked.overload), repr(place.rank), place.since, place.id)


def _asked(cursor: str) -> Asked:
    now, overload, rank, since, contact = read_cursor(cursor, moment, number(1), float, moment, row_id)
    return Asked(now, overload == 1, Place(rank, since, contact))


def _ranked(stored: StoredContact, model: Model, now: datetime) -> Ranked:
    state = stored.state
    age = (now.timestamp() - (state.waits_since or now.timestamp())) / 60
    at_once = at_stake(state, model) if state.curve == OF_CUSTOMERS else float(lead_value.at_once(state, model))
    curve = model.queue.curve(state.curve)
    return Ranked(queue.index(curve, at_once, age, model.queue.handling_minutes), age, at_once, curve, stored)


def _item(ranked: Ranked, why: Mapping[UUID, Mapping[str, int]], model: Model) -> QueueItem:
    factors = sorted(why.get(ranked.stored.state.id, {}).items(), key=lambda item: -abs(item[1]))
    curve, at_once, age = ranked.curve, ranked.at_once, ranked.age

    def money(minor: float) -> dict[str, str]:
        return {"amount": from_minor(round(minor), model.currency).amount, "currency": model.currency}

    left = queue.worth(curve, at_once, age)
    lost = {minutes: left - queue.worth(curve, at_once, age + minutes) for minutes in _KNOTS_MIN}
    # From plain values at once: of so many small models each would take as long by itself as five do so.
    return QueueItem.model_validate(
        {
            "contact": shown(ranked.stored, model),
            "kind": "customer" if ranked.stored.state.curve == OF_CUSTOMERS else "lead",
            "index": round(ranked.index, 6),
            "lost_per_minute": money(queue.loss_rate(curve, at_once, age)),
            "age_minutes": round(age, 2),
            "why": _why(ranked, factors, model),
            "reasons": [{"factor": factor, "amount": money(minor)} for factor, minor in factors[:3]],
            "loss": [{"minutes": minutes, "lost": money(amount)} for minutes, amount in lost.items()],
        }
    )


_SAYS: Final = {
    "source": "its source",
    "traits": "who it is",
    "engagement": "what it did",
    "together": "what goes together with what",
    "revenue": "what it says it will spend",
    "time": "how lately it came",
}


def _why(ranked: Ranked, factors: Sequence[tuple[str, int]], model: Model) -> str:
    """The reason in one sentence."""
    curve, at_once, age = ranked.curve, ranked.at_once, ranked.age
    lost = queue.worth(curve, at_once, age) - queue.worth(curve, at_once, age + queue.HORIZON_MIN)
    shown_as = amount(round(lost), model)
    helps = [_SAYS[factor] for factor, minor in factors if minor > 0 and factor in _SAYS][:2]
    if ranked.stored.state.curve == OF_CUSTOMERS:
        return (
            f"Its next purchase is overdue for {_minutes(ranked.age)}; another hour costs {shown_as.amount} "
            f"{shown_as.currency} of what is to come."
        )
    because = f", because of {' and '.join(helps)}" if helps else ""
    return f"Waits for {_minutes(ranked.age)}; another hour costs {shown_as.amount} {shown_as.currency}{because}."


def _minutes(age: float) -> str:
    if age < 120:  # noqa: PLR2004 - two hours
        count = int(age)
        return "1 minute" if count == 1 else f"{count} minutes"
    if age < 2 * 1440:
        return f"{int(age / 60)} hours"
    return f"{int(age / 1440)} days"
