"""Who is enrolled in a workflow, and who is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from services.nurture.domain.advance import advance
from services.nurture.domain.context import ContactUpdate, Context
from services.nurture.domain.enrolment import Decision, Enrolment, Started, Window
from services.nurture.domain.workflow import Workflow
from shared.durations import plus, zone_of
from shared.named_ids import ids_of_names

# Must never change: the same trigger is the same enrolment, also when a batch is repeated.
_enrolment_id: Final = ids_of_names(UUID("d4f5a8e1-2b6c-5c7a-9e10-7a3b5c9d1e2f"))

Reason: TypeAlias = Literal["robot", "late", "where", "running", "reentry"]  # shown in the list of refusals
Refusal: TypeAlias = Literal["other_event", "repeated"] | Reason


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier or current enrolment of the contact in the same workflow. `triggered_at`: the time of its trigger."""

    enrolment_id: UUID
    triggered_at: datetime
    active: bool


def enrolment_id(workflow: str, event_id: UUID) -> UUID:
    """The id of the enrolment that this event starts in this workflow, whatever the version."""
    return _enrolment_id(f"{workflow}\n{event_id}")


def may_enrol(  # noqa: C901, PLR0911 - one line per refusal reads best
    workflow: Workflow, update: ContactUpdate, history: Sequence[Past], now: datetime
) -> Refusal | None:
    """Why this update enrols nobody in the workflow; None when it does.

    `history` holds the contact's enrolments in this workflow. The refusals, in the order of checks:
    not the trigger's event; already started by this very event; likely a robot's; too old for `max_age`, or nobody
    knows how old; `where` does not hold; an enrolment is active; `reentry` forbids another one.
    """
    event = update.event
    if event.type != workflow.trigger.on:
        return "other_event"
    if history and enrolment_id(workflow.name, event.id) in {past.enrolment_id for past in history}:
        return "repeated"
    if event.human_likelihood < workflow.trigger.human:
        return "robot"
    zone = zone_of(update.contact.time_zone)
    if event.undated:
        return "late"
    if workflow.trigger.max_age is not None and plus(event.time, workflow.trigger.max_age, zone) < now:
        return "late"
    if not workflow.where(Context(update.contact, update.values, event, now)):
        return "where"
    if any(past.active for past in history):
        return "running"
    if history and workflow.reentry.rule == "once":
        return "reentry"
    per = workflow.reentry.per
    if per is not None:
        for past in history:
            first, second = sorted((past.triggered_at, event.time))
            if second < plus(first, per, zone):
                return "reentry"
    return None


def begin(workflow: Workflow, update: ContactUpdate, now: datetime, earlier: Sequence[ContactUpdate] = ()) -> Decision:
    """The enrolment that this update starts (`may_enrol` was None), advanced as far as it goes at once.

    `earlier`: updates about the contact that arrived before this one, in case they happened after the trigger
    (a purchase that overtook the lead).
    """
    event = update.event
    window = None
    if workflow.window is not None:
        opened_at = event.time.astimezone(UTC)
        window = Window(opened_at, plus(opened_at, workflow.window, zone_of(update.contact.time_zone)))
    enrolment = Enrolment(
        id=enrolment_id(workflow.name, event.id),
        workflow=workflow.name,
        version=workflow.version,
        contact_id=update.contact.id,
        status="active",
        position=workflow.first,
        waiting=None,
        window=window,
        started_at=now,
        lane=update.lane,
        trigger=event,
        contact=update.contact,
        values=update.values,
        reasons=update.bookings,
    )
    return advance(workflow, enrolment, Started(tuple(earlier)), now)


def last_of(contact_id: UUID, merged: Mapping[UUID, UUID]) -> UUID:
    """Which contact this one is after all merges (`merged`: contact → survivor)."""
    seen = {contact_id}
    while (into := merged.get(contact_id)) is not None and into not in seen:
        seen.add(into)
        contact_id = into
    return contact_id


def after_merge(enrolments: Sequence[Enrolment], into: UUID, now: datetime) -> tuple[Decision, ...]:
    """All enrolments of merged contacts, now of contact `into`; of two in one workflow, the oldest goes on.

    Pass every one that is active or whose clock runs, of the survivor and of the merged ones. The ended ones come
    first, so that writing in this order never shows two active ones.
    """
    going_on: set[str] = set()
    moved: list[Decision] = []
    for enrolment in sorted(enrolments, key=lambda each: (each.trigger.time, each.id)):
        kept = replace(enrolment, contact_id=into)
        if enrolment.status == "active" and enrolment.workflow in going_on:
            ended = replace(kept, status="exited", position=None, waiting=None, ended_at=now, ended_because="merged")
            moved.insert(0, Decision(ended, cancel=True))
            continue
        if enrolment.status == "active":
            going_on.add(enrolment.workflow)
        moved.append(Decision(kept, changed=kept != enrolment))
    return tuple(moved)
