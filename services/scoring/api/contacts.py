"""The read API of scoring: contacts, and why they are worth what they are."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.api.shapes import Contact, amount, shown_to
from services.scoring.domain.identity.identity import named
from services.scoring.models import InForce
from services.scoring.store.contacts import reads
from services.scoring.store.contacts.reads import StoredContact, StoredEvent
from shared.events.identity import Identity, normalise_email, normalise_phone
from shared.http.amount import Amount
from shared.http.auth import Grant, Tokens, needs_pii
from shared.http.cursor import Cursor, encode_cursor, moment, number, read_cursor, row_id
from shared.http.problems import FieldError, Problem
from shared.http.queries import without_nul

_FIRST: Final = UUID(int=0)
_BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
_LAST: Final = UUID(int=2**128 - 1)
_END: Final = datetime(9999, 12, 31, tzinfo=UTC)
_LAST_LINE: Final = 32767  # a smallint
_PLUS: Final = re.compile(r"^(?: +(?=[1-9])| *00)")  # a query turns + into a space, and many dial 00 in its place
Limit = Annotated[int, Query(ge=1, le=500)]
Order = Annotated[Literal["asc", "desc"], Query(description="`desc`: the newest first")]
Kind = Annotated[str | None, Query(max_length=100)]


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
    """One event of a contact. `body`: as it came; null for a token without `pii`."""

    id: UUID
    type: str
    time: datetime
    body: dict[str, Any] | None


class Events(BaseModel):
    """A page of events."""

    items: list[EventItem]
    next: str | None = None


def routes(engine: AsyncEngine, models: InForce, tokens: Tokens) -> APIRouter:
    """The routes; each needs a token with the scope `read`."""
    By = Annotated[Grant, Depends(tokens.read)]  # noqa: N806 - a type
    router = APIRouter(prefix="/v1", tags=["contacts"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/contacts")
    async def contacts(
        by: By,
        email: str | None = None,
        phone: str | None = None,
        user_id: str | None = None,
        source: Annotated[str, Query(description="whose user_id it is")] = "",
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Contacts:
        """Find a contact by an identity, or list all."""
        if email is not None or phone is not None or "@" in (user_id or ""):
            needs_pii(by)
        keys = _keys(email, phone, user_id, source)
        async with engine.connect() as conn:
            if keys:
                found = await reads.by_keys(conn, keys)
                return Contacts(items=[shown_to(by, found, models.model)] if found is not None else [])
            after = read_cursor(cursor, row_id)[0] if cursor else _FIRST
            page, last = await reads.page(conn, after, limit)
        following = None if last is None else encode_cursor(last)
        return Contacts(items=[shown_to(by, each, models.model) for each in page], next=following)

    @router.get("/contacts/{contact_id}")
    async def contact(by: By, contact_id: UUID) -> Contact:
        """One contact; an id that was merged away leads to the contact it is part of now."""
        async with engine.connect() as conn:
            return shown_to(by, _there(await reads.by_id(conn, contact_id)), models.model)

    @router.get("/contacts/{contact_id}/bookings")
    async def bookings(
        contact_id: UUID, cursor: Cursor = None, limit: Limit = 200, order: Order = "asc", kind: Kind = None
    ) -> Bookings:
        """Why it is worth what it is: every change of its values. `kind`: of one factor."""
        newest = order == "desc"
        after: Any = (_END, _LAST, _LAST_LINE) if newest else (_BEGINNING, _FIRST, -1)
        if cursor:
            after = read_cursor(cursor, moment, row_id, number(_LAST_LINE))
        async with engine.connect() as conn:
            found = _there(await reads.by_id(conn, contact_id))
            page = await reads.bookings(conn, found.state.id, after, limit, newest=newest, kind=kind)
        last = page[-1] if len(page) == limit else None
        return Bookings(
            items=[
                BookingItem(
                    account=each.booking.account,
                    factor=each.booking.factor,
                    amount=amount(each.booking.amount, models.model),
                    model=each.booking.model,
                    time=each.time,
                    event_id=each.event_id,
                    event_type=each.event_type,
                )
                for each in page
            ],
            next=encode_cursor(last.time, last.event_id, last.line) if last else None,
        )

    @router.get("/contacts/{contact_id}/events")
    async def events(
        by: By, contact_id: UUID, cursor: Cursor = None, limit: Limit = 100, order: Order = "asc", kind: Kind = None
    ) -> Events:
        """What happened, in order. `kind`: of one type."""
        newest = order == "desc"
        after: Any = (_END, _LAST) if newest else (_BEGINNING, _FIRST)
        if cursor:
            after = read_cursor(cursor, moment, row_id)
        async with engine.connect() as conn:
            found = _there(await reads.by_id(conn, contact_id))
            page = await reads.events(conn, found.state.id, after, limit, newest=newest, kind=kind)
        last = page[-1] if len(page) == limit else None
        return Events(
            items=[
                EventItem(id=each.id, type=each.type, time=each.time, body=_body(each) if by.pii else None)
                for each in page
            ],
            next=encode_cursor(last.time, last.id) if last else None,
        )

    return router


def _body(event: StoredEvent) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(event.body)
    return body


def _there(found: StoredContact | None) -> StoredContact:
    if found is None:
        raise Problem(404, "There is no such contact")
    return found


def _keys(email: str | None, phone: str | None, user_id: str | None, source: str) -> list[str]:
    """The keys of the identity that is asked for: what a trusted sender calls a user id before what a stranger does."""
    try:
        who = Identity(
            email=None if email is None else normalise_email(email),
            phone=None if email is not None or phone is None else normalise_phone(_PLUS.sub("+", phone)),
            user_id=user_id if email is None and phone is None else None,
        )
    except ValueError as error:
        field = "/query/email" if email is not None else "/query/phone"
        raise Problem(422, "The request has wrong fields", errors=[FieldError(field, str(error))]) from None
    of = f"/sources/{source.removeprefix('/sources/')}"
    return [*named(who, of, "trusted").keys, *named(who, of, "public").keys]
