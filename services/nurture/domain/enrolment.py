"""A contact in one version of a workflow: the state, the stimuli, and the decision."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from services.nurture.domain.context import ContactUpdate, Happening
from services.nurture.domain.deliveries.delivery import NewDelivery
from shared.events.lanes import Lane
from shared.events.updates import Booking, ContactView, Values

Status: TypeAlias = Literal["active", "completed", "exited", "goal_reached"]


class Waiting(msgspec.Struct, frozen=True):
    """What an enrolment waits for: a time, or an event of type `event` until that time."""

    until: datetime
    event: str | None = None


class Window(msgspec.Struct, frozen=True):
    """The first-hour clock: runs from the trigger's own time until a person of ours gets in touch."""

    opened_at: datetime
    closes_at: datetime
    stopped_at: datetime | None = None
    stopped_by: str | None = None  # who touched, or "goal"


class Seen(msgspec.Struct, frozen=True):
    """An event that was applied, and the `wait_for` steps that it can still satisfy."""

    event_id: UUID
    steps: tuple[str, ...]


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of an enrolment; `encode_enrolment` and `decode_enrolment` store it as one document.

    `contact`, `values` are as last heard; `trigger` and `reasons` are the event that started it and its bookings.
    """

    id: UUID
    workflow: str
    version: str
    contact_id: UUID
    status: Status
    position: str | None  # the step it waits at; None when ended
    waiting: Waiting | None
    window: Window | None
    started_at: datetime
    trigger: Happening
    contact: ContactView
    values: Values
    reasons: tuple[Booking, ...] = ()
    seen: tuple[Seen, ...] = ()
    ended_at: datetime | None = None
    ended_because: str | None = None
    lane: Lane = "live"  # of its deliveries; an imported enrolment becomes live as soon as its contact does something

    @property
    def due_at(self) -> datetime | None:
        """When `Due` is to be given; None when it waits for nothing."""
        return self.waiting.until if self.waiting is not None else None

    @property
    def listens(self) -> bool:
        """Whether updates about the contact still matter: it is active, or its clock runs."""
        return self.status == "active" or (self.window is not None and self.window.stopped_at is None)


@dataclass(frozen=True, slots=True)
class Started:
    """The enrolment begins. `earlier`: updates that arrived before the trigger's, in case they happened after it."""

    earlier: tuple[ContactUpdate, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrived:
    """Something happened to the contact."""

    update: ContactUpdate


@dataclass(frozen=True, slots=True)
class Due:
    """The awaited time has come (a stale or early stimulus changes nothing)."""


Stimulus: TypeAlias = Started | Arrived | Due


@dataclass(frozen=True, slots=True)
class Decision:
    """What a stimulus leads to. All of it is written in one transaction.

    `changed`: the enrolment differs and has to be written. `deliveries`: new rows (each a `followup.scheduled`).
    `cancel`: whatever of this enrolment is not sent or done yet (deliveries and tasks) is to be cancelled.
    `close_tasks`: a person got in touch, so its open tasks are done and their fallbacks must not fire.
    """

    enrolment: Enrolment
    changed: bool = True
    deliveries: tuple[NewDelivery, ...] = ()
    cancel: bool = False
    close_tasks: bool = False


_DECODER: Final = msgspec.json.Decoder(Enrolment)
_ENCODER: Final = msgspec.json.Encoder()


def encode_enrolment(enrolment: Enrolment) -> bytes:
    """The enrolment as one JSON document."""
    return _ENCODER.encode(enrolment)


def decode_enrolment(document: bytes | str) -> Enrolment:
    """The enrolment that was encoded. Raises msgspec.MsgspecError for any other document."""
    return _DECODER.decode(document)
