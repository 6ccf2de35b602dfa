"""What the rules look at: the event, the contact as scoring sees it, and its values."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from shared.errors import Permanent
from shared.events.envelope import Trust
from shared.events.lanes import Lane
from shared.events.reasons import without_values
from shared.events.updates import Booking, ContactView, UpdateEnvelope, Values


class Happening(Struct, frozen=True):
    """An event, with its data as plain JSON values. `time` is when it happened, `trust` how far its sender is trusted.

    `undated`: the time is unknown, and it starts nothing.
    """

    id: UUID
    type: str
    time: datetime
    source: str
    data: dict[str, Any]
    trust: Trust = "trusted"
    undated: bool = False

    @property
    def human_touch(self) -> bool:
        """Whether a person of ours got in touch, or tried: the only thing that stops the first-hour clock."""
        return self.type == "contact.touched" and self.data.get("human") is True

    @property
    def human_likelihood(self) -> float:
        """How likely a person did it, in [0, 1]; 1 unless the event says otherwise."""
        said = self.data.get("human_likelihood", 1.0)
        return float(said) if isinstance(said, int | float) else 1.0


class ContactUpdate(Struct, frozen=True):
    """What scoring made of one event: the event, the contact and values after it, the bookings that explain it."""

    event: Happening
    contact: ContactView
    values: Values
    bookings: tuple[Booking, ...] = ()
    lane: Lane = "live"


@dataclass(frozen=True, slots=True)
class Context:
    """The context of one condition. Values are minor units of the contact's currency."""

    contact: ContactView
    values: Values
    event: Happening
    now: datetime


T = TypeVar("T")
Condition: TypeAlias = Callable[[Context], bool]


class _Type(Struct, frozen=True):
    type: str


_EVENT: Final = msgspec.json.Decoder(Happening)
_TYPE: Final = msgspec.json.Decoder(_Type)


def read_update(envelope: UpdateEnvelope, lane: Lane = "live") -> ContactUpdate:
    """The update, from this lane, in the shape the rules work on.

    Raises Permanent when its event can never be read.
    """
    update = envelope.data
    return ContactUpdate(read_event(update.event), update.contact, update.after, tuple(update.bookings), lane)


def read_event(event: bytes | msgspec.Raw) -> Happening:
    """The event in the shape the rules work on. Raises Permanent when it is unreadable."""
    read = _decoded(_EVENT, event)
    if read.time.tzinfo is None:
        raise Permanent("event time without a time zone")
    return read


def type_of(event: bytes | msgspec.Raw) -> str:
    """The type of an event in an update that does not name it. Raises Permanent when it is unreadable."""
    return _decoded(_TYPE, event).type


def _decoded(decoder: msgspec.json.Decoder[T], event: bytes | msgspec.Raw) -> T:
    try:
        return decoder.decode(event)
    except msgspec.MsgspecError as error:
        raise Permanent(f"undecodable event in an update: {without_values(error)}") from None
