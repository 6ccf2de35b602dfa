"""Taking somebody on: claims over HTTP. Each needs a token with the scope `operate`."""

from datetime import datetime, timedelta
from random import Random
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.api.queue import filters
from services.scoring.claiming import Claiming, Held
from services.scoring.load import Load
from services.scoring.models import InForce
from services.scoring.store import claims as store
from services.scoring.store import queue
from services.scoring.store.claims import Claim
from shared.clock import utc_now
from shared.events.types import ClaimEnd
from shared.http.auth import Tokens
from shared.http.problems import FieldError, Problem
from shared.http.queries import without_nul
from shared.tokens import Actor

_TRIED: Final = 200  # from the top of the queue; if all are taken, the queue counts as taken
_LONGEST_SNOOZE: Final = timedelta(days=90)
_NO_NUL: Final = r"^[^\x00]*$"
Who = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]


class ClaimIn(BaseModel):
    """Who takes the contact on."""

    who: Who


class NextIn(ClaimIn):
    """Who takes the next contact on. Filters as in the queue: of this source, of this country (its code or name)."""

    source: Annotated[str, Field(max_length=200, pattern=_NO_NUL)] | None = None
    country: Annotated[str, Field(max_length=64, pattern=_NO_NUL)] | None = None


class SnoozeIn(BaseModel):
    """Until when the contact is not shown; one of the two."""

    until: datetime | None = None
    minutes: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None


class ClaimOut(BaseModel):
    """A claim. `ended_at` is null while somebody has the contact."""

    id: UUID
    contact_id: UUID
    who: str
    since: datetime
    until: datetime
    ended_at: datetime | None
    ended: ClaimEnd | None
    snoozed_until: datetime | None


def routes(
    engine: AsyncEngine, models: InForce, load: Load, claiming: Claiming, tokens: Tokens, dice: Random
) -> APIRouter:
    """The routes; each needs a token with the scope `operate`. `dice`: see `at_random` of the queue's settings."""
    By = Annotated[Actor, Depends(tokens.actor)]  # noqa: N806 - a type
    router = APIRouter(prefix="/v1", tags=["claims"], dependencies=[Depends(tokens.operate), Depends(without_nul)])

    @router.post("/queue/claim-next", responses={404: {"description": "nobody is waiting whom no one has"}})
    async def claim_next(body: NextIn, by: By) -> ClaimOut:
        """Take on whoever is at the top of the queue, or of the part of it that is asked for, in this moment."""
        now = utc_now()
        async with engine.connect() as conn:
            waiting = await queue.top(
                conn, models.model, now, _TRIED, overload=load.overload, **filters(body.source, body.country)
            )
        contacts, said = [each.contact.state.id for each in waiting], "claimed"
        if dice.random() < models.model.queue.at_random:
            dice.shuffle(contacts)
            said = "claimed at random"
        claim = await claiming.first_of(contacts, body.who, now, by, said=said)
        if claim is None:
            raise Problem(404, "Nobody unclaimed is waiting")
        return _out(claim)

    @router.post("/contacts/{contact_id}/claim", responses={409: {"description": "somebody else has the contact"}})
    async def claim(contact_id: UUID, body: ClaimIn, by: By) -> ClaimOut:
        """Take a contact on. Whoever already has it gets the same claim back."""
        found = await claiming.claim(contact_id, body.who, utc_now(), by)
        if found is None:
            raise Problem(404, "There is no such contact")
        if isinstance(found, Held):
            held = found.by
            raise Problem(
                409,
                f"{held.who} has this contact since {held.since.isoformat(timespec='seconds')}",
                f"Until {held.until.isoformat(timespec='seconds')}, unless it is given back before.",
            )
        return _out(found)

    @router.post("/claims/{claim_id}/extend", responses={409: {"description": "the claim has ended"}})
    async def extend(claim_id: UUID, by: By) -> ClaimOut:
        """Restart the claim's 20 minutes."""
        return _out(await _done(engine, claim_id, await claiming.extend(claim_id, utc_now(), by)))

    @router.post("/claims/{claim_id}/release", responses={409: {"description": "the claim has ended"}})
    async def release(claim_id: UUID, by: By) -> ClaimOut:
        """Give the contact back."""
        return _out(await _done(engine, claim_id, await claiming.end(claim_id, utc_now(), by=by), again="released"))

    @router.post("/claims/{claim_id}/snooze", responses={409: {"description": "the claim has ended"}})
    async def snooze(claim_id: UUID, body: SnoozeIn, by: By) -> ClaimOut:
        """Give the contact back; it returns to the queue only then."""
        now = utc_now()
        until = _until(body, now)
        return _out(await _done(engine, claim_id, await claiming.end(claim_id, now, until, by), again="snoozed"))

    return router


def _until(body: SnoozeIn, now: datetime) -> datetime:
    """When a snooze ends. Raises Problem."""
    until = body.until
    if (until is None) == (body.minutes is None):
        raise Problem(
            422, "The request has wrong fields", errors=[FieldError("/until", "say one of `until` and `minutes`")]
        )
    if body.minutes is not None:
        until = now + min(_LONGEST_SNOOZE, timedelta(minutes=min(body.minutes, 1e6)))
    if until is None or until.tzinfo is None or not now < until <= now + _LONGEST_SNOOZE:
        raise Problem(
            422,
            "The request has wrong fields",
            errors=[FieldError("/until", "must be a time with its zone, within the next 90 days")],
        )
    return until


async def _done(engine: AsyncEngine, claim_id: UUID, claim: Claim | None, again: str = "") -> Claim:
    """The claim after an action on it. Raises Problem 404, or 409 when it has already ended."""
    if claim is not None:
        return claim
    async with engine.connect() as conn:
        was = await store.one(conn, claim_id)
    if was is None:
        raise Problem(404, "There is no such claim")
    if was.ended is not None and was.ended == again:
        return was
    how = {"released": "was given back", "snoozed": "was put off", "merged": "ended by a merge"}
    raise Problem(409, f"This claim {how.get(was.ended or '', 'has run out')}", "Claim the contact anew.")


def _out(claim: Claim) -> ClaimOut:
    return ClaimOut(
        id=claim.id,
        contact_id=claim.contact_id,
        who=claim.who,
        since=claim.since,
        until=claim.until,
        ended_at=claim.ended_at,
        ended=claim.ended,  # type: ignore[arg-type]  # the schema knows no other
        snoozed_until=claim.snoozed_until,
    )
