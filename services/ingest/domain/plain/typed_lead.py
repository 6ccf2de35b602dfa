"""The fast path of leads (see `typed.py`)."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from services.ingest.domain.fact import Fact
from services.ingest.domain.plain.leads import OWN_TRAITS
from services.ingest.domain.plain.typed import (
    Id,
    Integer,
    Long,
    Short,
    Url,
    Values,
    Wording,
    Words,
    campaign_of,
    may_hold_nul,
    trimmed,
)
from shared.events.identity import Identity, identify, normalise_email, normalise_phone
from shared.events.types import Consent, LeadCaptured
from shared.money import Money, is_amount, is_currency


class _Money(Struct):
    amount: str
    currency: str


class _Consent(Struct):
    """A consent with purposes is left to `leads.py`."""

    email: bool | None = None
    phone: bool | None = None
    sms: bool | None = None
    wording: Wording | None = None
    proof: Url | None = None
    purposes: None = None


class _Lead(Struct, forbid_unknown_fields=True):
    """The documented fields of `POST /v1/leads`; an unknown one becomes a trait, in `plain.py`."""

    email: Short | None = None
    phone: Short | None = None
    user_id: Id | None = None
    anonymous_id: Id | None = None
    name: Short | None = None
    form: Short | None = None
    page: Url | None = None
    interest: Short | None = None
    message: Long | None = None
    estimated_value: _Money | None = None
    campaign: Words | None = None
    consent: _Consent | None = None
    traits: Values | None = None
    company: Short | None = None
    role: Short | None = None
    country: Short | None = None
    locale: Short | None = None
    time_zone: Short | None = None
    size: Short | Integer | float | bool | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None
    message_id: Id | None = None


_DECODER: Final = msgspec.json.Decoder(_Lead)
_NOBODY: Final = Identity()


def read_typed_lead(body: bytes) -> Fact | None:
    """The lead, as `read_lead` would read it; None for anything that it has to look at."""
    if may_hold_nul(body):
        return None
    try:
        said = _DECODER.decode(body)
        identity = _identity(said)
        value = None if said.estimated_value is None else _money(said.estimated_value)
        time = None if said.occurred_at is None else said.occurred_at.astimezone(UTC)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None
    lead = LeadCaptured(
        identity=identity,
        name=trimmed(said.name),
        form=trimmed(said.form),
        page=trimmed(said.page),
        campaign=campaign_of(said.campaign),
        interest=trimmed(said.interest),
        message=trimmed(said.message),
        estimated_value=value,
        traits=_traits(said),
        consent=None if said.consent is None else _consent(said.consent),
    )
    return Fact("lead.captured", identity, lead, time, trimmed(said.message_id))


def _identity(said: _Lead) -> Identity:
    """Raises ValueError when there is none, or an invalid one."""
    email, phone = trimmed(said.email), trimmed(said.phone)
    user_id, anonymous_id = trimmed(said.user_id), trimmed(said.anonymous_id)
    identity = identify(
        email=None if email is None else normalise_email(email),
        phone=None if phone is None else normalise_phone(phone),
        user_id=user_id,
        anonymous_id=anonymous_id,
    )
    if identity == _NOBODY:
        raise ValueError
    return identity


def _money(said: _Money) -> Money:
    amount, currency = said.amount.strip(), said.currency.strip()
    if not is_amount(amount) or amount.startswith("-") or not currency.isascii():
        raise ValueError
    currency = currency.upper()
    if not is_currency(currency):
        raise ValueError
    return Money(amount, currency)


def _traits(said: _Lead) -> dict[str, Any]:
    traits: dict[str, Any] = dict(said.traits) if said.traits else {}
    for name in OWN_TRAITS:
        value = getattr(said, name)
        if isinstance(value, str):
            value = trimmed(value)
        if value is not None:
            traits.setdefault(name, value)
    return traits


def _consent(said: _Consent) -> Consent:
    return Consent(
        email=said.email, phone=said.phone, sms=said.sms, wording=trimmed(said.wording), proof=trimmed(said.proof)
    )
