"""What the read API shows: a contact and money, as every list of it has them."""

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from services.scoring.domain.contact.contact import ContactState, moment
from services.scoring.domain.contact.view import view
from services.scoring.domain.customer.standing import standing
from services.scoring.domain.model.model import Model, stepped_version
from services.scoring.domain.values import unconverted
from services.scoring.store.contacts.reads import StoredContact
from shared.clock import utc_now
from shared.http.amount import Amount, amount_of
from shared.http.auth import Grant
from shared.http.masking import masked_email, masked_name, masked_phone, masked_traits

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


class CustomerStanding(BaseModel):
    """A customer's standing. Fields that need a fitted model are null without one (`firsthour models list`).

    Purchases of one day count as one.
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


def shown(stored: StoredContact, model: Model) -> Contact:
    """A contact as it stands now."""
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
        lead_value=amount(state.lead, model),
        customer_value=amount(state.customer, model),
        conversion=seen.conversion,
        purchases=seen.purchases,
        tier=seen.tier,
        customer=_standing(state, model),
        unconverted=unconverted(state, model),
        version=seen.version,
        model=stepped_version(state.model, state.step),
        captured_at=moment(state.captured) if state.captured is not None else None,
        touched_at=moment(state.touched) if state.touched is not None else None,
        created_at=seen.created,
        updated_at=stored.updated_at,
    )


def shown_to(grant: Grant, stored: StoredContact, model: Model) -> Contact:
    """A contact as the token may see it."""
    contact = shown(stored, model)
    return contact if grant.pii else masked(contact)


def masked(contact: Contact) -> Contact:
    """The contact without anything that names or reaches the person."""
    return contact.model_copy(
        update={
            "email": masked_email(contact.email),
            "phone": masked_phone(contact.phone),
            "name": masked_name(contact.name),
            "traits": masked_traits(contact.traits),
        }
    )


def _standing(state: ContactState, model: Model) -> CustomerStanding | None:
    stands = standing(state, model, max(state.as_of, utc_now().timestamp()))
    if stands is None:
        return None
    return CustomerStanding(
        purchases=stands.orders,
        average_order_value=amount(stands.average, model),
        days_between_purchases=_rounded(stands.between, 2),
        p_alive=_rounded(stands.p_alive, 6),
        churn_risk=_rounded(stands.churn_risk, 6),
        expected_purchases=_rounded(stands.expected, 4),
        next_purchase=None if stands.next_day is None else date.fromordinal(_EPOCH_DAY + stands.next_day),
        rfm=stands.rfm,
    )


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)


def amount(minor: int, model: Model) -> Amount:
    """Minor units of the base currency as people write them."""
    return amount_of(minor, model.currency)
