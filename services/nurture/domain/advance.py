"""The workflow engine: `advance` says what a stimulus makes of a run. Pure, total, deterministic."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from services.nurture.domain.delivery import NewDelivery, delivery_id, expiry
from services.nurture.domain.duration import plus, zone_of
from services.nurture.domain.enrolment import (
    Arrived,
    Decision,
    Due,
    Enrolment,
    Seen,
    Started,
    Status,
    Stimulus,
    Waiting,
)
from services.nurture.domain.facts import ContactUpdate, Facts, Happening
from services.nurture.domain.mail.recipient import recipient_of
from services.nurture.domain.payload import followup_payload
from services.nurture.domain.quiet_hours import after_quiet_hours
from services.nurture.domain.workflow import Branch, Exit, Send, Wait, WaitFor, Workflow

_REMEMBERED: Final = 32  # events kept per run; more than any sequence waits for


@dataclass(slots=True)
class _Run:
    """A run while it moves: the enrolment so far and what is to be done."""

    workflow: Workflow
    enrolment: Enrolment
    now: datetime
    deliveries: list[NewDelivery] = field(default_factory=list)
    cancel: bool = False
    close_tasks: bool = False

    def facts(self, event: Happening) -> Facts:
        return Facts(self.enrolment.contact, self.enrolment.values, event, self.now)


def advance(workflow: Workflow, enrolment: Enrolment, stimulus: Stimulus, now: datetime) -> Decision:
    """What the stimulus makes of the run. `workflow` is the version that the run started with.

    The same arguments always give the same decision, ids of deliveries included. A run that has ended makes no
    more deliveries; until a person got in touch, only its clock still listens.
    """
    run = _Run(workflow, enrolment, now.astimezone(UTC))
    match stimulus:
        case Started(earlier):
            for update in sorted(earlier, key=lambda each: (each.event.time, each.event.id)):
                _remember(run, update)
            if run.enrolment.status == "active":
                _walk(run, run.enrolment.position)
        case Arrived(update):
            _arrive(run, update)
        case Due():
            _wake(run)
    return Decision(
        run.enrolment,
        changed=isinstance(stimulus, Started) or run.enrolment is not enrolment,
        deliveries=tuple(run.deliveries),
        cancel=run.cancel,
        close_tasks=run.close_tasks,
    )


def _arrive(run: _Run, update: ContactUpdate) -> None:
    if update.lane == "live" and run.enrolment.lane != "live" and run.enrolment.listens:
        run.enrolment = replace(run.enrolment, lane="live")
    waiting = run.enrolment.waiting
    if waiting is not None and waiting.event is not None and waiting.until < min(run.now, update.event.time):
        _wake(run)  # it happened after the time-out, whose timer is only late
    _remember(run, update)
    step = run.workflow.steps.get(run.enrolment.position or "")
    if isinstance(step, WaitFor) and run.enrolment.status == "active" and _take_seen(run, step):
        _walk(run, step.next)


def hear(enrolment: Enrolment, update: ContactUpdate) -> Decision:
    """What an update makes of a run whose version cannot be read any more: it goes nowhere, but takes a human touch."""
    heard, touched = _heard(enrolment, update)
    if touched and heard.status == "active":
        heard = _noted(heard, update.event, ())
    return Decision(heard, changed=heard is not enrolment, close_tasks=touched)


def _remember(run: _Run, update: ContactUpdate) -> None:
    """Take in what an update says, without moving on: contact, clock, goal, and what it would satisfy."""
    if not run.enrolment.listens:
        return
    event = update.event
    counts = _counts(run.enrolment, event)
    run.enrolment, touched = _heard(run.enrolment, update)
    run.close_tasks = run.close_tasks or touched
    if not counts or run.enrolment.status != "active":
        return
    facts = Facts(update.contact, update.values, event, run.now)
    goal = run.workflow.goal
    if goal is not None and event.type == goal.on and goal.where(facts):
        run.enrolment = _stopped(run.enrolment, event.time, "goal")
        _end(run, "goal_reached", event.type)
        run.cancel = True
        return
    satisfied = tuple(
        step.id
        for step in run.workflow.steps.values()
        if isinstance(step, WaitFor) and step.event == event.type and step.where(facts)
    )
    if satisfied or touched:
        run.enrolment = _noted(run.enrolment, event, satisfied)


def _heard(enrolment: Enrolment, update: ContactUpdate) -> tuple[Enrolment, bool]:
    """The run, knowing what needs no workflow to be understood; and whether a person got in touch."""
    if not enrolment.listens:
        return enrolment, False
    event, known = update.event, enrolment.contact
    touched = event.human_touch and _counts(enrolment, event)
    newer = update.contact.version > known.version or known.id != enrolment.contact_id  # merged since
    # An ended run keeps what it knew when it ended.
    if enrolment.status == "active" and newer and update.contact.id == enrolment.contact_id:
        enrolment = replace(enrolment, contact=update.contact, values=update.values)
    if touched:
        enrolment = _stopped(enrolment, event.time, str(event.data.get("who") or "somebody"))
    return enrolment, touched


def _counts(enrolment: Enrolment, event: Happening) -> bool:
    """Whether the event happened after the trigger, and is told for the first time."""
    trigger = enrolment.trigger
    if event.id == trigger.id or event.time < trigger.time:
        return False
    return all(seen.event_id != event.id for seen in enrolment.seen)


def _noted(enrolment: Enrolment, event: Happening, steps: tuple[str, ...]) -> Enrolment:
    return replace(enrolment, seen=(*enrolment.seen, Seen(event.id, steps))[-_REMEMBERED:])


def _take_seen(run: _Run, step: WaitFor) -> bool:
    """Use up the first event that satisfies the step: one event satisfies one `wait_for`."""
    for index, seen in enumerate(run.enrolment.seen):
        if step.id in seen.steps:
            used = Seen(seen.event_id, ())  # remembered, so that a repeat does not count again
            before, after = run.enrolment.seen[:index], run.enrolment.seen[index + 1 :]
            run.enrolment = replace(run.enrolment, seen=(*before, used, *after))
            return True
    return False


def _wake(run: _Run) -> None:
    waiting = run.enrolment.waiting
    if run.enrolment.status != "active" or waiting is None or run.now < waiting.until:
        return
    step = run.workflow.steps.get(run.enrolment.position or "")
    if isinstance(step, Wait) and step.quiet_hours is not None:  # it may wake late, and inside them by now
        until = after_quiet_hours(run.now, step.quiet_hours, zone_of(run.enrolment.contact.time_zone))
        if until > run.now:
            run.enrolment = replace(run.enrolment, waiting=Waiting(until))
            return
    _walk(run, step.on_timeout if isinstance(step, WaitFor) else step.next if isinstance(step, Wait) else None)


def _walk(run: _Run, position: str | None) -> None:
    """Go from step to step until one waits or the run ends. Steps lead only forward, so it ends."""
    run.enrolment = replace(run.enrolment, position=position, waiting=None)
    zone = zone_of(run.enrolment.contact.time_zone)
    while position is not None:
        step = run.workflow.steps[position]
        match step:
            case Send():
                run.deliveries.append(_delivery(run, step))
                position = step.next
            case Branch():
                facts = run.facts(run.enrolment.trigger)
                position = next((arm.to for arm in step.arms if arm.when(facts)), step.otherwise)
            case Wait():
                until = plus(run.now, step.length, zone)
                if step.quiet_hours is not None:
                    until = after_quiet_hours(until, step.quiet_hours, zone)
                run.enrolment = replace(run.enrolment, position=step.id, waiting=Waiting(until))
                return
            case WaitFor():
                if not _take_seen(run, step):
                    until = plus(run.now, step.timeout, zone)
                    run.enrolment = replace(run.enrolment, position=step.id, waiting=Waiting(until, step.event))
                    return
                position = step.next
            case Exit():
                _end(run, "exited", f"step {step.id}")
                return
    _end(run, "completed", "the last step")


def _delivery(run: _Run, step: Send) -> NewDelivery:
    enrolment, target = run.enrolment, step.target
    deadline = None
    if step.deadline is not None:
        deadline = plus(run.now, step.deadline, zone_of(enrolment.contact.time_zone))
    identifier = delivery_id(enrolment.id, step.id, target.channel)
    trigger = enrolment.trigger
    recipient = recipient_of(trigger, enrolment.contact)
    return NewDelivery(
        id=identifier,
        enrolment_id=enrolment.id,
        contact_id=enrolment.contact_id,
        workflow=enrolment.workflow,
        version=enrolment.version,
        step=step.id,
        channel=target.channel,
        target=target.name,
        assign=step.assign,
        created_at=run.now,
        deadline=deadline,
        expires_at=expiry(run.now, deadline, target.channel, step.fallback),
        fallback=step.fallback,
        payload=followup_payload(
            identifier, enrolment, step.id, target, recipient, purpose=step.purpose, now=run.now, deadline=deadline
        ),
        recipient=recipient.address,
        purpose=step.purpose,
        public_source=trigger.source if trigger.trust == "public" else None,
        lane=enrolment.lane,
    )


def _end(run: _Run, status: Status, because: str) -> None:
    run.enrolment = replace(
        run.enrolment, status=status, position=None, waiting=None, ended_at=run.now, ended_because=because
    )


def _stopped(enrolment: Enrolment, at: datetime, who: str) -> Enrolment:
    """The run with its clock stopped, by whoever was first."""
    window = enrolment.window
    if window is None:
        return enrolment
    at = max(at.astimezone(UTC), window.opened_at)
    if window.stopped_at is None or (at < window.stopped_at and window.stopped_by != "goal"):
        return replace(enrolment, window=replace(window, stopped_at=at, stopped_by=who))
    return enrolment
