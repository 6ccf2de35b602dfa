"""The one envelope: CloudEvents 1.0 in JSON structured mode."""

from datetime import datetime
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from shared.errors import Permanent
from shared.events.identity import Trust as Trust  # noqa: PLC0414 - a part of the envelope
from shared.events.reasons import without_values
from shared.events.types import DATA_TYPES

CONTENT_TYPE: Final = "application/cloudevents+json"
KAFKA_HEADERS: Final = (("content-type", CONTENT_TYPE.encode()),)


Data = TypeVar("Data")


class Envelope(Struct, Generic[Data], frozen=True, omit_defaults=True, kw_only=True):
    """What every event has around its data."""

    specversion: Literal["1.0"]
    id: UUID
    source: str
    type: str
    time: datetime
    receivedtime: datetime
    data: Data
    subject: str | None = None
    datacontenttype: str = "application/json"
    traceparent: str | None = None
    claimedtime: datetime | None = None
    trust: Trust = "trusted"
    undated: bool = False


class Event(Envelope[Raw], frozen=True, omit_defaults=True, kw_only=True):
    """One fact. `time` is when it happened, `receivedtime` when we took it; both UTC. `data` is still JSON.

    `claimedtime` is there only when the sender named a time in the future, or is public and named one: `time` is then
    `receivedtime`.
    `trust` says who speaks: a `public` sender is a form, a page's key or the snippet, and may be a stranger who claims
    to be somebody else; every other one is `trusted`. An event older than this field is `trusted`.
    `undated`: of an import that does not say when it happened. `time` is then the import's, and no workflow begins.
    """


class Decoded(NamedTuple):
    """An event with its data as the struct of its type (see `DATA_TYPES`)."""

    event: Event
    data: Any


_EVENT: Final = msgspec.json.Decoder(Event)
_DATA: Final = {name: msgspec.json.Decoder(kind) for name, kind in DATA_TYPES.items()}
_ENCODER: Final = msgspec.json.Encoder()


def make_event(
    *,
    id: UUID,  # noqa: A002 - CloudEvents' own name
    source: str,
    type: str,  # noqa: A002 - CloudEvents' own name
    time: datetime,
    receivedtime: datetime,
    subject: str | None,
    data: Struct,
    trust: Trust,
    traceparent: str | None = None,
    undated: bool = False,
) -> Envelope[Struct]:
    """An event from its parts; `data` is the struct that `DATA_TYPES` names for the type.

    A time in the future, and any that a public sender names, is a claim and no more: it counts as it was received.
    """
    claimed = time > receivedtime or (trust == "public" and time != receivedtime)
    return Envelope(
        specversion="1.0",
        id=id,
        source=source,
        type=type,
        time=receivedtime if claimed else time,
        receivedtime=receivedtime,
        subject=subject,
        data=data,
        traceparent=traceparent,
        claimedtime=time if claimed else None,
        trust=trust,
        undated=undated,
    )


def encode(event: Envelope[Any]) -> bytes:
    """The bytes for the Kafka value."""
    return _ENCODER.encode(event)


def decode(value: bytes) -> Decoded:
    """The event with its data. Raises Permanent (naming the field, never its content) when it can never be read."""
    try:
        event = _EVENT.decode(value)
        decoder = _DATA.get(event.type)
        if decoder is None:
            raise Permanent("unknown event type")
        data = decoder.decode(event.data)
    except msgspec.MsgspecError as error:
        raise Permanent(f"undecodable event: {without_values(error)}") from None
    if event.time.tzinfo is None or event.receivedtime.tzinfo is None:
        raise Permanent("event time without a time zone")
    return Decoded(event, data)
