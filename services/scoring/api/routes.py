"""The read API of scoring: contacts, why they are worth what they are, and whom to contact now."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.domain import queue
from services.scoring.domain.contact import ContactState, moment
from services.scoring.domain.customer.standing import standing
from services.scoring.domain.identity import named
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model import Model
from services.scoring.domain.values import unconverted
from services.scoring.domain.view import view
from services.scoring.models import InForce
from services.scoring.store import reads
from services.scoring.store.reads import StoredContact
from shared.clock import utc_now
from shared.events.identity import Identity, normalise_email, normalise_phone
from shared.http.auth import Tokens
from shared.http.cursor import cursor_time, decode_cursor, encode_cursor, wrong_cursor
from shared.http.problems import FieldError, Problem
from shared.http.queries import without_nul
from shared.money import from_minor

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_FIRST: Final = UUID(int=0)
_BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
_LAST_LINE: Final = 32767  # a smallint
_QUEUE_DAYS: Final = 30
_QUEUE_CANDIDATES: Final = 5000
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=500)]


class Amount(BaseModel):
    """Money as people write it."""

    amount: str
    currency: str


class CustomerStanding(BaseModel):
    """How somebody who bought stands. What needs a fitted model is null without one (`firsthour models list`).

    Purchases of one day are one.
    """

    purchases: int
    average_order_value: Amount
    days_between_purchases: float | None
    p_alive: Annotated[float | None, Field(description="the chance that the customer will buy again some time")]
    churn_risk: Annotated[float | None, Field(description="1 - p_alive")]
    expected_purchases: Annotated[float | None, Field(description="in the coming year")]
    next_purchase: Annotated[
        date | None, Field(description="half of those like this one, who still are customers, buy by then")
    ]
    rfm: Annotated[str | None, Field(description="recency, frequency, monetary in fifths; 5 is the best")]


class Contact(BaseModel):
    """A contact and what it is worth. `proven`: a trusted source named `email`, or an answer came from it."""

    id: UUID
    stage: str
    email: str | None
    proven: bool
    phone: str | None
    name: str | None
    source: str | None
    country: str | None
    traits: dict[str, Any]
    interest: str | None
    consent: dict[str, bool]
    lead_value: Amount
    customer_value: Amount
    conversion: float
    purchases: int
    tier: str | None
    customer: CustomerStanding | None
    unconverted: Annotated[list[str], Field(description="currencies of its amounts that count 0 for want of a rate")]
    version: int
    model: str
    captured_at: datetime | None
    touched_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Contacts(BaseModel):
    """A page of contacts."""

    items: list[Contact]
    next: str | None = None


class BookingItem(BaseModel):
    """One change of a value. All of an account's bookings sum to its value.

    `event_type` is null where no event made it (the model changed), or where its event is no longer stored.
    """

    account: str
    factor: str
    amount: Amount
    model: str
    time: datetime
    event_id: UUID
    event_type: str | None


class Bookings(BaseModel):
    """A page of bookings."""

    items: list[BookingItem]
    next: str | None = None


class EventItem(BaseModel):
    """One event of a contact, as it came."""

    id: UUID
    type: str
    time: datetime
    body: dict[str, Any]


class Events(BaseModel):
    """A page of events."""

    items: list[EventItem]
    next: str | None = None


class Reason(BaseModel):
    """What one factor adds to the value."""

    factor: str
    amount: Amount


class QueueItem(BaseModel):
    """Somebody to contact. `index`: base minor units lost over the next hour per minute of delay and of work."""

    contact: Contact
    index: float
    lost_per_minute: Amount
    age_minutes: float
    reasons: list[Reason]


class Queue(BaseModel):
    """Whom to contact now, the most urgent first."""

    items: list[QueueItem]


def routes(engine: AsyncEngine, models: InForce, tokens: Tokens) -> APIRouter:
    """The routes; each needs a token with the scope `read`."""
    router = APIRouter(prefix="/v1", tags=["contacts"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/contacts")
    async def contacts(
        email: str | None = None,
        phone: str | None = None,
        user_id: str | None = None,
        source: Annotated[str, Query(description="whose user_id it is")] = "",
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Contacts:
        """Find a contact by an identity, or list all."""
        keys = _keys(email, phone, user_id, source)
        async with engine.connect() as conn:
            if keys:
                found = await reads.by_keys(conn, keys)
                return Contacts(items=[_shown(found, models.model)] if found is not None else [])
            after = _uuid(_parts(cursor, 1)[0]) if cursor else _FIRST
            page = await reads.page(conn, after, limit)
        following = encode_cursor([str(page[-1].state.id)]) if len(page) == limit else None
        return Contacts(items=[_shown(each, models.model) for each in page], next=following)

    @router.get("/contacts/{contact_id}")
    async def contact(contact_id: UUID) -> Contact:
        """One contact; an id that was merged away leads to the contact it is part of now."""
        async with engine.connect() as conn:
            return _shown(_there(await reads.by_id(conn, contact_id)), models.model)

    @router.get("/contacts/{contact_id}/bookings")
    async def bookings(contact_id: UUID, cursor: Cursor = None, limit: Limit = 200) -> Bookings:
        """Why it is worth what it is: every change of its values."""
        after = (_BEGINNING, _FIRST, -1)
        if cursor:
            time, event, line = _parts(cursor, 3)
            after = (cursor_time(time), _uuid(event), _line(line))
        async with engine.connect() as conn:
            found = _there(await reads.by_id(conn, contact_id))
            page = await reads.bookings(conn, found.state.id, after, limit)
        last = page[-1] if len(page) == limit else None
        return Bookings(
            items=[
                BookingItem(
                    account=each.booking.account,
                    factor=each.booking.factor,
                    amount=_amount(each.booking.amount, models.model),
                    model=each.booking.model,
                    time=each.time,
                    event_id=each.event_id,
                    event_type=each.event_type,
                )
                for each in page
            ],
            next=encode_cursor([last.time.isoformat(), str(last.event_id), last.line]) if last else None,
        )

    @router.get("/contacts/{contact_id}/events")
    async def events(contact_id: UUID, cursor: Cursor = None, limit: Limit = 100) -> Events:
        """What happened, in order."""
        after = (_BEGINNING, _FIRST)
        if cursor:
            time, event = _parts(cursor, 2)
            after = (cursor_time(time), _uuid(event))
        async with engine.connect() as conn:
            found = _there(await reads.by_id(conn, contact_id))
            page = await reads.events(conn, found.state.id, after, limit)
        last = page[-1] if len(page) == limit else None
        return Events(
            items=[
                EventItem(id=each.id, type=each.type, time=each.time, body=msgspec.json.decode(each.body))
                for each in page
            ],
            next=encode_cursor([last.time.isoformat(), str(last.id)]) if last else None,
        )

    @router.get("/queue")
    async def whom_to_contact(limit: Limit = 50) -> Queue:
        """Leads that no person has answered yet, by what a delay costs. Computed anew each time: the order changes."""
        now = utc_now()
        async with engine.connect() as conn:
            waiting = await reads.waiting(conn, now - timedelta(days=_QUEUE_DAYS), _QUEUE_CANDIDATES)
            ranked = _ranked(waiting, models.model, now)[:limit]
            why = await reads.reasons(conn, [each.state.id for _, _, each in ranked])
        return Queue(items=[_queued(index, age, each, why, models.model) for index, age, each in ranked])

    return router


def _ranked(waiting: Sequence[StoredContact], model: Model, now: datetime) -> list[tuple[float, float, StoredContact]]:
    """Index, age in minutes and contact, the highest index first."""
    ranked = []
    for each in waiting:
        state = each.state
        age = (now.timestamp() - (state.captured or now.timestamp())) / 60
        ranked.append((queue.index(model.response, _at_once(each, model), age, model.handling_minutes), age, each))
    return sorted(ranked, key=lambda item: (-item[0], item[2].state.id))


def _at_once(stored: StoredContact, model: Model) -> float:
    """P(conversion) x expected revenue: what was spent to get the lead is sunk and does not rank it."""
    parts = lead_value.parts(stored.state, model, stored.state.clock)
    return lead_value.conversion(parts) * parts.revenue


def _queued(
    index: float, age: float, stored: StoredContact, why: dict[UUID, dict[str, int]], model: Model
) -> QueueItem:
    factors = sorted(why.get(stored.state.id, {}).items(), key=lambda item: -abs(item[1]))
    return QueueItem(
        contact=_shown(stored, model),
        index=round(index, 6),
        lost_per_minute=_amount(round(queue.loss_rate(model.response, _at_once(stored, model), age)), model),
        age_minutes=round(age, 2),
        reasons=[Reason(factor=factor, amount=_amount(amount, model)) for factor, amount in factors[:3]],
    )


def _shown(stored: StoredContact, model: Model) -> Contact:
    state = stored.state
    seen = view(state, model)
    return Contact(
        id=seen.id,
        stage=seen.stage,
        email=seen.email,
        proven=seen.proven,
        phone=seen.phone,
        name=seen.name,
        source=seen.source,
        country=seen.country,
        traits=seen.traits,
        interest=seen.interest,
        consent=seen.consent,
        lead_value=_amount(state.lead, model),
        customer_value=_amount(state.customer, model),
        conversion=seen.conversion,
        purchases=seen.purchases,
        tier=seen.tier,
        customer=_standing(state, model),
        unconverted=unconverted(state, model),
        version=seen.version,
        model=state.model,
        captured_at=moment(state.captured) if state.captured is not None else None,
        touched_at=moment(state.touched) if state.touched is not None else None,
        created_at=seen.created,
        updated_at=stored.updated_at,
    )


def _standing(state: ContactState, model: Model) -> CustomerStanding | None:
    stands = standing(state, model, max(state.as_of, utc_now().timestamp()))
    if stands is None:
        return None
    return CustomerStanding(
        purchases=stands.orders,
        average_order_value=_amount(stands.average, model),
        days_between_purchases=_rounded(stands.between, 2),
        p_alive=_rounded(stands.p_alive, 6),
        churn_risk=_rounded(stands.churn_risk, 6),
        expected_purchases=_rounded(stands.expected, 4),
        next_purchase=None if stands.next_day is None else date.fromordinal(_EPOCH_DAY + stands.next_day),
        rfm=stands.rfm,
    )


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)


def _amount(minor: int, model: Model) -> Amount:
    money = from_minor(minor, model.currency)
    return Amount(amount=money.amount, currency=money.currency)


def _there(found: StoredContact | None) -> StoredContact:
    if found is None:
        raise Problem(404, "There is no such contact")
    return found


def _keys(email: str | None, phone: str | None, user_id: str | None, source: str) -> list[str]:
    """The keys of the identity that is asked for: what a trusted sender calls a user id before what a stranger does."""
    try:
        who = Identity(
            email=None if email is None else normalise_email(email),
            phone=None if email is not None or phone is None else normalise_phone(phone),
            user_id=user_id if email is None and phone is None else None,
        )
    except ValueError as error:
        field = "/query/email" if email is not None else "/query/phone"
        raise Problem(422, "The request has wrong fields", errors=[FieldError(field, str(error))]) from None
    of = f"/sources/{source.removeprefix('/sources/')}"
    return [*named(who, of, "trusted").keys, *named(who, of, "public").keys]


def _parts(cursor: str, count: int) -> list[str | int]:
    parts = decode_cursor(cursor)
    if len(parts) != count:
        raise wrong_cursor()
    return parts


def _uuid(part: str | int) -> UUID:
    try:
        return UUID(str(part))
    except ValueError:
        raise wrong_cursor() from None


def _line(part: str | int) -> int:
    if not isinstance(part, int) or not 0 <= part <= _LAST_LINE:
        raise wrong_cursor()
    return part
