"""What scoring made of one event: the message on `firsthour.updates`, one for each event about a contact."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from shared.errors import Permanent
from shared.events.consent import ConsentWord
from shared.events.reasons import without_values
from shared.events.stages import Account, Stage

UPDATE_TYPE: Final = "contact.updated"
UPDATE_SOURCE: Final = "/scoring"


class Booking(Struct, frozen=True):
    """One change of one value: `amount` in minor units of the base currency; all bookings sum to the value."""

    account: Account
    factor: str
    amount: int
    model: str


class Values(Struct, frozen=True):
    """Lead value and customer value, in minor units of the base currency."""

    lead: int
    customer: int


class ContactView(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A contact as the rest of the world may see it, after the event. `version` grows by one with every event.

    `proven`: a trusted source named `email`, or a click or a reply came from it. Until then anybody may have typed it.
    `hearsay`: of a proven contact, what only strangers have said: `name`, `interest`, `traits.company` …
    `tier`: that of a customer, by the thresholds of the configuration.
    `consent` is by channel (`email`) for what is general, by channel and purpose (`email:newsletter`) for the rest.
    """

    id: UUID
    version: int
    currency: str
    stage: Stage
    created: datetime
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    source: str | None = None
    country: str | None = None
    time_zone: str | None = None
    locale: str | None = None
    traits: dict[str, Any] = {}
    interest: str | None = None
    consent: dict[str, bool] = {}
    conversion: float = 0.0
    purchases: int = 0
    proven: bool = False
    tier: str | None = None
    hearsay: list[str] = []


class Update(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The event, the contact, the values before and after, and the bookings that explain the change.

    `merged` names the contacts that this event joined into `contact` (they no longer exist), `parted` those that such a
    merge is undone for: they exist, and so does `contact`. `consents` are the words
    on consent that count of what this event said; `contact.consent` is what all of them together come to.
    `event` is the CloudEvent as it came, byte for byte, and `event_type` its type (empty in what was stored before it
    travelled): whom no event of this type concerns need not read it.
    """

    contact: ContactView
    before: Values
    after: Values
    bookings: list[Booking]
    event: Raw
    event_type: str = ""
    merged: list[UUID] = []
    parted: list[UUID] = []
    consents: list[ConsentWord] = []


class UpdateEnvelope(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """CloudEvents around an update. Its id is the event's id: one event, one update, however often published."""

    specversion: Literal["1.0"]
    id: UUID
    source: str
    type: str
    time: datetime
    data: Update
    subject: str | None = None
    datacontenttype: str = "application/json"
    traceparent: str | None = None


_DECODER: Final = msgspec.json.Decoder(UpdateEnvelope)
_ENCODER: Final = msgspec.json.Encoder()


def encode_update(
    update: Update, *, event_id: UUID, time: datetime, traceparent: str | None, kind: str = UPDATE_TYPE
) -> bytes:
    """The bytes for the Kafka value; the key is the contact's id (see `update_key`). `kind`: the envelope's type."""
    return _ENCODER.encode(
        UpdateEnvelope(
            specversion="1.0",
            id=event_id,
            source=UPDATE_SOURCE,
            type=kind,
            time=time,
            data=update,
            subject=str(update.contact.id),
            traceparent=traceparent,
        )
    )


def decode_update(value: bytes) -> UpdateEnvelope:
    """The update. Raises Permanent when it can never be read."""
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        raise Permanent(f"undecodable update: {without_values(error)}") from None


def update_key(contact_id: UUID) -> bytes:
    """The Kafka key of an update: the contact's id."""
    return str(contact_id).encode()
