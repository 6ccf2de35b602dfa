"""What the read API answers. Money is `{"amount", "currency"}`."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec
from pydantic import BaseModel, Field, StringConstraints, WithJsonSchema

from services.nurture.channels.registry import CHANNELS
from services.nurture.domain.deliveries.delivery import Attempt, State, TaskState
from services.nurture.domain.deliveries.followup import Written
from services.nurture.domain.enrolment import Status, decode_enrolment
from services.nurture.domain.entry import Reason
from services.nurture.store.lists import Row
from shared.events.types import Touch
from shared.http.amount import Amount, amount_of
from shared.http.masking import masked_answer, masked_email, masked_name, masked_phone

T = TypeVar("T")
_NO_NUL = r"^[^\x00]*$"  # Postgres keeps no text with one

_CHANNELS = sorted(each.name for each in CHANNELS.values() if not each.by_person)
_Sent = Annotated[str, WithJsonSchema({"type": "string", "enum": _CHANNELS})]


class Listed(BaseModel, Generic[T]):
    """A page; `next` is the cursor of the one after it, absent on the last."""

    items: list[T]
    next: str | None = None


class Window(BaseModel):
    """A first-hour clock. `seconds_left` is negative once it has run out."""

    contact_id: UUID
    enrolment_id: UUID
    workflow: str
    opened_at: datetime
    closes_at: datetime
    seconds_left: float | None
    stopped_at: datetime | None
    stopped_by: str | None
    missed: bool


class EnrolmentOut(BaseModel):
    """A contact in a workflow. `parked_reason`: advancing it failed, and it waits for a restart."""

    id: UUID
    workflow: str
    version: str
    contact_id: UUID
    status: Status
    triggered_at: datetime
    started_at: datetime
    ended_at: datetime | None
    ended_because: str | None
    step: str | None
    waits_until: datetime | None
    waits_for: str | None
    parked_reason: str | None
    window: Window | None
    lead_value: Amount | None
    customer_value: Amount | None


class RefusalOut(BaseModel):
    """A lead that no workflow enrolled, and why this one did not. `told`: somebody was notified of it."""

    id: UUID
    event_id: UUID
    contact_id: UUID
    workflow: str
    reason: Reason
    because: str
    happened_at: datetime
    refused_at: datetime
    told: bool


BECAUSE: dict[Reason, str] = {
    "robot": "it was probably a robot's",
    "late": "it came later than `trigger.max_age` allows, or nobody knows when it happened",
    "where": "`where` did not hold",
    "running": "the contact was already enrolled",
    "reentry": "`reentry` does not allow this contact again yet",
}


class DeliveryOut(BaseModel):
    """One delivery; `id` is the webhook-id. `parked`: handling it failed, see `reason`."""

    id: UUID
    enrolment_id: UUID
    contact_id: UUID
    workflow: str
    step: str
    channel: _Sent
    target: str
    endpoint: str
    rep: str | None
    state: State
    created_at: datetime
    due_at: datetime
    deadline_at: datetime | None
    finished_at: datetime | None
    attempts: int
    reason: str | None


class AttemptOut(BaseModel):
    """One attempt to deliver. `unknown`: it may have arrived, but no response came."""

    number: int
    started_at: datetime
    finished_at: datetime
    status: int | None
    outcome: Attempt
    reason: str | None
    excerpt: str | None


class Person(BaseModel):
    """Whom a task is about."""

    name: str | None = None
    company: str | None = None
    email: str | None = None
    phone: str | None = None
    country: str | None = None


class TaskOut(BaseModel):
    """A task for a person. `parked_reason`: handling its deadline failed."""

    id: UUID
    enrolment_id: UUID
    contact_id: UUID
    workflow: str
    step: str
    name: str
    rep: str | None
    state: TaskState
    created_at: datetime
    deadline_at: datetime | None
    finished_at: datetime | None
    done_by: str | None
    outcome: Touch | None
    done_channel: str | None
    note: str | None
    parked_reason: str | None
    contact: Person
    lead_value: Amount | None
    customer_value: Amount | None


def masked_delivery(delivery: DeliveryOut) -> DeliveryOut:
    """The delivery without the receiver's response."""
    return delivery.model_copy(update={"reason": masked_answer(delivery.reason)})


def masked_attempt(attempt: AttemptOut) -> AttemptOut:
    """The attempt without the receiver's response, which may repeat what was sent."""
    return attempt.model_copy(update={"excerpt": None, "reason": masked_answer(attempt.reason)})


def masked_task(task: TaskOut) -> TaskOut:
    """The task without anything that names or reaches the person."""
    who = task.contact
    hidden = {
        "name": masked_name(who.name), "email": masked_email(who.email), "phone": masked_phone(who.phone)
    }  # fmt: skip
    return task.model_copy(update={"contact": who.model_copy(update=hidden), "note": None})


class TaskDone(BaseModel):
    """What a person did about a task."""

    model_config = {"extra": "forbid"}

    who: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_NO_NUL)]
    outcome: Touch = "reached"
    channel: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50, pattern=_NO_NUL)] = (
        "phone"
    )
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=_NO_NUL)] | None = Field(
        default=None
    )


class EndpointOut(BaseModel):
    """A queue of deliveries. `disabled_at`: it answered 410, and a person has to enable it.

    `failing_since`: it cannot be reached, or refuses us (a password, a quota), and why.
    """

    name: str
    kind: _Sent
    disabled_at: datetime | None
    disabled_because: str | None
    slowed_until: datetime | None
    failing_since: datetime | None
    failing_because: str | None
    pending: int
    next_due_at: datetime | None


def enrolment_out(row: Row, now: datetime) -> EnrolmentOut:
    """An enrolment as the API shows it."""
    try:
        run = decode_enrolment(row["document"])
    except msgspec.MsgspecError:  # an unreadable one is listed all the same
        run = None
    waiting = run.waiting if run else None
    return EnrolmentOut(
        **{name: row[name] for name in _OF_ENROLMENT},
        ended_because=run.ended_because if run else None,
        step=run.position if run else None,
        waits_until=waiting.until if waiting else None,
        waits_for=waiting.event if waiting else None,
        window=window_out(row, now) if row["window_opened_at"] is not None else None,
        lead_value=amount_of(run.values.lead, run.contact.currency) if run else None,
        customer_value=amount_of(run.values.customer, run.contact.currency) if run else None,
    )


_OF_ENROLMENT = (
    "id", "workflow", "version", "contact_id", "status", "triggered_at", "started_at", "ended_at", "parked_reason",
)  # fmt: skip


def window_out(row: Row, now: datetime) -> Window:
    """A first-hour clock as the API shows it."""
    stopped_at = row["window_stopped_at"]
    left = (row["window_closes_at"] - now).total_seconds() if stopped_at is None else None
    return Window(
        contact_id=row["contact_id"],
        enrolment_id=row["id"],
        workflow=row["workflow"],
        opened_at=row["window_opened_at"],
        closes_at=row["window_closes_at"],
        seconds_left=round(left, 1) if left is not None else None,
        stopped_at=stopped_at,
        stopped_by=row["window_stopped_by"],
        missed=(stopped_at or now) > row["window_closes_at"],
    )


def task_out(row: Row) -> TaskOut:
    """A task as the API shows it."""
    context = Written(row["payload"]).followup.data.context
    return TaskOut(
        **{name: row[name] for name in TaskOut.model_fields if name in row},
        contact=Person.model_validate(context["contact"]),
        lead_value=context["lead_value"],
        customer_value=context["customer_value"],
    )
