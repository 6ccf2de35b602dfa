"""For a page about one contact, and to find it: its values explained, its identities, and a search by words."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.api.shapes import Contact, amount, shown_to
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.contact.words import asked
from services.scoring.domain.customer import advocacy
from services.scoring.domain.customer.foresight import foresee
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.lead.explain import explained
from services.scoring.domain.model.model import Model, stepped_version
from services.scoring.models import InForce
from services.scoring.store.contacts import reads
from shared.clock import utc_now
from shared.http.amount import Amount
from shared.http.auth import Grant, Tokens
from shared.http.masking import masked_identity
from shared.http.problems import FieldError, Problem
from shared.http.queries import without_nul

_LOOKED_AT: Final = 200  # matches looked at; the latest of them are shown
_SHORTEST: Final = 2


class Because(BaseModel):
    """What multiplies the odds of buying by `times`, and why."""

    factor: str
    times: float
    says: str


class FactorSum(BaseModel):
    """The sum of all bookings of a factor."""

    account: str
    factor: str
    amount: Amount
    bookings: int


class ComingYear(BaseModel):
    """What a customer may buy in the coming year. The bounds of 95 % come from simulating the learnt model."""

    purchases: float
    purchases_low: int
    purchases_high: int
    margin: Amount
    margin_low: Amount
    margin_high: Amount


class Explanation(BaseModel):
    """Lead value = conversion x expected revenue - acquisition cost; conversion from odds that multiply.

    `because` and what follows are null while there is no open lead. `rests_on` says what the numbers come from.
    """

    conversion: float
    odds: float | None
    because: list[Because] | None
    expected_revenue: Amount | None
    acquisition_cost: Amount | None
    lead_value: Amount
    customer_value: Amount
    past_margin: Amount
    margin_to_come: Amount
    advocacy: Annotated[Amount, Field(description="its share of what those brought whom it referred")]
    coming_year: Annotated[ComingYear | None, Field(description="of customers, once a model has been fitted")]
    factors: list[FactorSum]
    rests_on: str
    model: str


class IdentityItem(BaseModel):
    """What a contact is known by. `source`: whose user or device id it is."""

    kind: str
    value: str


class Identities(BaseModel):
    """Every identity of a contact."""

    items: list[IdentityItem]


class SearchIn(BaseModel):
    """Beginnings of words of a name, a company, an e-mail address or a phone number; all of them must be met."""

    q: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class Found(BaseModel):
    """Contacts that were found, those that changed last first."""

    items: list[Contact]


def routes(engine: AsyncEngine, models: InForce, tokens: Tokens) -> APIRouter:
    """The routes; each needs a token with the scope `read`."""
    By = Annotated[Grant, Depends(tokens.read)]  # noqa: N806 - a type
    router = APIRouter(prefix="/v1", tags=["contacts"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/contacts/{contact_id}/explanation")
    async def explanation(contact_id: UUID) -> Explanation:
        """Why it is worth what it is, in odds and in money."""
        async with engine.connect() as conn:
            found = await reads.by_id(conn, contact_id)
            if found is None:
                raise Problem(404, "There is no such contact")
            factors = await reads.factors(conn, found.state.id)
        state, model = found.state, models.model
        parts = lead_value.parts(state, model, state.as_of) if state.open_lead else None
        credit = advocacy.credit(state, model)
        chance = 0.0 if parts is None else lead_value.conversion(parts)
        return Explanation(
            conversion=round(chance, 6),
            odds=None if parts is None else round(chance / (1 - chance), 6),
            because=None
            if parts is None
            else [
                Because(factor=each.factor, times=round(each.times, 4), says=each.says)
                for each in explained(state, model)
            ],
            expected_revenue=None if parts is None else amount(round(parts.revenue), model),
            acquisition_cost=None if parts is None else amount(parts.cost, model),
            lead_value=amount(state.lead, model),
            customer_value=amount(state.customer, model),
            past_margin=amount(state.past, model),
            margin_to_come=amount(state.customer - state.past - credit, model),
            advocacy=amount(credit, model),
            coming_year=_coming_year(state, model),
            factors=[
                FactorSum(account=account, factor=factor, amount=amount(minor, model), bookings=count)
                for account, factor, minor, count in factors
            ],
            rests_on=_rests_on(state, model),
            model=stepped_version(state.model, state.step),
        )

    @router.get("/contacts/{contact_id}/identities")
    async def identities(by: By, contact_id: UUID) -> Identities:
        """Its identities."""
        async with engine.connect() as conn:
            found = await reads.by_id(conn, contact_id)
            if found is None:
                raise Problem(404, "There is no such contact")
            keys = await reads.identities(conn, found.state.id)
        split = [key.partition(":") for key in keys]
        return Identities(
            items=[
                IdentityItem(kind=kind, value=value if by.pii else masked_identity(kind, value))
                for kind, _, value in split
            ]
        )

    @router.post("/contacts/search")
    async def search(by: By, body: SearchIn) -> Found:
        """Find contacts by the beginnings of words; accents make no difference, nor how a number is written."""
        sought = asked(body.q)
        if max((len(each) for word in sought for each in word), default=0) < _SHORTEST:
            raise Problem(
                422, "The request has wrong fields", errors=[FieldError("/q", "needs a word of two letters or more")]
            )
        async with engine.connect() as conn:
            # A token finds only what it may see.
            found = await reads.search(conn, sought, _LOOKED_AT, among="said" if by.pii else "company")
        newest = sorted(found, key=lambda each: (each.updated_at, each.state.id), reverse=True)
        return Found(items=[shown_to(by, each, models.model) for each in newest[: body.limit]])

    return router


def _coming_year(state: ContactState, model: Model) -> ComingYear | None:
    found = foresee(state, model, max(state.as_of, utc_now().timestamp()))
    if found is None:
        return None
    return ComingYear(
        purchases=round(found.purchases, 4),
        purchases_low=found.least_purchases,
        purchases_high=found.most_purchases,
        margin=amount(found.margin, model),
        margin_low=amount(found.least_margin, model),
        margin_high=amount(found.most_margin, model),
    )


def _rests_on(state: ContactState, model: Model) -> str:
    learnt = ", ".join(model.learnt.versions)
    says = f"scoring.yaml, and what was learnt ({learnt})" if learnt else "scoring.yaml alone"
    return says if state.machine is None else f"{says}; a person said that it is a machine, so what it does counts 0"
