"""A delivery: made once per (enrolment, step, channel), and its states until it is delivered or given up.

pending ─► claimed ─► delivered
   ▲          ├─────► failed     no attempt is left, or none can work
   └──────────┤                  (a retry: pending again, later)
              └─────► expired    its time is over; also straight from pending
pending ─► cancelled             the goal was reached; also from claimed, when it did not arrive
"""

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

from services.nurture.domain.deliveries.followup import Written
from services.nurture.domain.mail.confirmation import Confirmation
from services.nurture.domain.workflow import FOLLOW_UP, TASK, Channel, Target
from shared.events.lanes import Lane
from shared.named_ids import ids_of_names

State: TypeAlias = Literal["pending", "claimed", "parked", "delivered", "failed", "expired", "cancelled"]
TaskState: TypeAlias = Literal["open", "done", "expired", "cancelled"]
Attempt: TypeAlias = Literal["delivered", "retry", "failed", "expired", "unknown"]  # the outcome of one
Ends: TypeAlias = Literal["done", "cancelled"]

# Must never change: a delivery's id is the idempotency key (webhook-id, Message-ID) that receivers store.
_delivery_id: Final = ids_of_names(UUID("b0a1c5d2-7f4e-5d39-8a52-0c6f3e1d9b47"))
FALLBACK_SUFFIX: Final = "/fallback"
_LONGEST_LEAD: Final = timedelta(minutes=1)


class NewDelivery(Struct, frozen=True, kw_only=True):
    """A row to insert in state `pending`, due at once. A task (`channel == TASK`) is such a row for a person.

    `payload` is a written follow-up (`followup.py`): the very body of a webhook, the context of a template, the details
    of a task. `expires_at` is when the fallback has to go (a little before `deadline`, to be in time); without a
    fallback it is the deadline; None: no deadline. `recipient` is where a mail goes, `purpose` what it is for;
    `public_source`: the source of the public event that caused it, if any; `confirmation`: whether it asks for the
    address to be confirmed, or needs that. In the lane `bulk` it waits behind live deliveries.

    `endpoint`: the queue that it is put into when it is stored. `rep`: whose task it is, or who gets this notice of a
    task; `is_first`: what its enrolment sends first. `ends`: a later decision of the same batch has ended it already,
    and `done_by` says who did the task.
    """

    id: UUID
    enrolment_id: UUID
    contact_id: UUID
    workflow: str
    version: str
    step: str
    channel: Channel
    target: str
    assign: tuple[str, ...] = ()  # reps to take in turn; see `assignee`. Not stored
    created_at: datetime
    deadline: datetime | None
    expires_at: datetime | None
    fallback: Target | None
    payload: Written
    recipient: str | None = None
    purpose: str | None = FOLLOW_UP
    public_source: str | None = None
    confirmation: Confirmation | None = None
    lane: Lane = "live"
    endpoint: str = ""
    rep: str | None = None
    is_first: bool = False
    ends: Ends | None = None
    done_by: str | None = None


class StoredDelivery(NewDelivery, frozen=True, kw_only=True):
    """A delivery or task as stored. `triggered_at`: the time of its enrolment's trigger."""

    triggered_at: datetime
    attempts: int  # recorded so far
    tries: int  # of them, those since it was made or replayed
    began_at: datetime | None  # when the attempt in flight began
    lease_token: UUID | None

    def as_new(self) -> NewDelivery:
        return NewDelivery(**{name: getattr(self, name) for name in _AS_MADE})


_AS_MADE: Final = NewDelivery.__struct_fields__


def delivery_id(enrolment_id: UUID, step: str, channel: Channel) -> UUID:
    """Derived from (enrolment, step, channel), so that a repeated decision makes no second delivery."""
    return _delivery_id(f"{enrolment_id}\n{step}\n{channel}")


def expiry(
    created_at: datetime, deadline: datetime | None, channel: Channel, fallback: Target | None
) -> datetime | None:
    """When the fallback is due: before the deadline by a fifth of the time, at most a minute.

    A task keeps the whole time, and so does a delivery without a fallback.
    """
    if deadline is None or fallback is None or channel == TASK:
        return deadline
    return deadline - min(_LONGEST_LEAD, (deadline - created_at) / 5)


def assignee(assign: tuple[str, ...], turn: int) -> str | None:
    """Whose turn it is; `turn` counts this step's tasks so far, from 0. None: anybody's."""
    return assign[turn % len(assign)] if assign else None
