"""A follow-up: everything that a receiver, a template or a rep needs to know. It stays typed until it is written.

Written, it is one JSON document: a webhook's body, a template's context and a task's details.
"""

from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from services.nurture.domain.workflow import FOLLOW_UP, Target
from shared.money import Money

REQUESTED: Final = "followup.requested"
FALLBACK: Final = "followup.fallback"
REPEATED: Final = "followup.repeated"
LARGEST: Final = 20_000  # bytes; Standard Webhooks asks for less than 20 KB

TRAIT: Final = "traits."  # before the name of one, in `hearsay`
_LONGEST_REASON: Final = 100


class Person(Struct, frozen=True, kw_only=True):
    """The contact as a receiver sees it: a ContactView with its company at hand."""

    id: UUID
    currency: str
    stage: str
    email: str | None
    phone: str | None
    name: str | None
    source: str | None
    country: str | None
    time_zone: str | None
    locale: str | None
    traits: dict[str, Any]
    interest: str | None
    consent: dict[str, bool]
    conversion: float
    purchases: int
    proven: bool = False
    tier: str | None = None
    hearsay: list[str] = []
    company: Any = None  # a trait: any JSON value


class Addressee(Struct, frozen=True):
    """Where an e-mail about it goes; see Recipient."""

    email: str | None
    named: bool
    proven: bool


class Reason(Struct, frozen=True):
    """A booking that explains a value."""

    value: str
    factor: str
    amount: Money


class Cause(Struct, frozen=True, kw_only=True):
    """The event that started the enrolment."""

    id: UUID
    type: str
    time: datetime
    source: str
    trust: str | None = None
    data: dict[str, Any]


class Window(Struct, frozen=True):
    """The first-hour clock of the enrolment."""

    opened_at: datetime
    closes_at: datetime
    stopped_at: datetime | None


class InsteadOf(Struct, frozen=True):
    """What was not delivered, and why."""

    delivery: UUID
    step: str
    channel: str
    target: str
    deadline: datetime | None
    reason: str


class Waits(Struct, frozen=True):
    """The e-mail that goes as soon as its address is confirmed: its template, and what it is for."""

    template: str
    purpose: str


class Content(Struct, frozen=True, kw_only=True):
    """Contact, values, reasons and cause, and which step sends it to whom.

    `waits`: the e-mail in whose place it asks for the address to be confirmed. `trimmed` names what was cut to fit.
    """

    delivery: UUID
    enrolment: UUID
    workflow: str
    version: str
    step: str
    channel: str
    target: str
    deadline: datetime | None
    purpose: str | None = FOLLOW_UP
    recipient: Addressee | None = None  # absent from what was stored before it was named
    contact: Person
    lead_value: Money
    customer_value: Money
    reasons: list[Reason]
    event: Cause
    window: Window | None
    instead_of: InsteadOf | UnsetType = UNSET
    waits: Waits | UnsetType = UNSET
    trimmed: list[str] | UnsetType = UNSET

    @property
    def address(self) -> str | None:
        """Where an e-mail goes."""
        return self.contact.email if self.recipient is None else self.recipient.email

    @property
    def proven(self) -> bool:
        """Whether that address was known to be the contact's when this was made."""
        return self.recipient is not None and self.recipient.proven

    @property
    def public_source(self) -> str | None:
        """The source of the public event that caused it, if it was one."""
        return self.event.source if self.event.trust == "public" else None

    @property
    def context(self) -> dict[str, Any]:
        """As plain values, for templates."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class Followup(Struct, frozen=True):
    """The whole document."""

    type: str
    timestamp: datetime
    data: Content


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Followup)


def confirmed(followup: Followup, delivery_id: UUID, step: str, waits: Waits, now: datetime) -> Followup:
    """The same for an e-mail that waited for its address to be confirmed."""
    recipient = followup.data.recipient
    content = structs.replace(
        followup.data,
        delivery=delivery_id,
        step=step,
        target=waits.template,
        deadline=None,
        purpose=waits.purpose,
        recipient=recipient and structs.replace(recipient, proven=True),
        waits=UNSET,
    )
    return Followup(REQUESTED, now.astimezone(UTC), content)


def instead(
    followup: Followup, delivery_id: UUID, step: str, target: Target, *, reason: str, now: datetime
) -> Followup:
    """The same for the fallback's receiver: `instead_of` says what was not delivered, and why."""
    given = followup.data
    missed = InsteadOf(
        given.delivery, given.step, given.channel, given.target, given.deadline, reason[:_LONGEST_REASON]
    )
    content = structs.replace(
        given,
        delivery=delivery_id,
        step=step,
        channel=target.channel,
        target=target.name,
        deadline=None,
        instead_of=missed,
    )
    return Followup(FALLBACK, now.astimezone(UTC), content)


def encode(followup: Followup) -> bytes:
    """Its JSON, however large."""
    return _ENCODER.encode(followup)


class Written(bytes):
    """A follow-up as it is sent and stored, byte for byte; who needs what it says has it decoded once."""

    @cached_property
    def followup(self) -> Followup:
        """What it says. Raises msgspec.DecodeError when it is unreadable."""
        return _DECODER.decode(self)
