"""The workflow engine: `advance` decides what a stimulus does to an enrolment. Pure, total, deterministic."""

from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from services.nurture.domain.context import ContactUpdate, Context, Happening
from services.nurture.domain.enrolment import Arrived, Decision, Due, Enrolment, Seen, Started, Status, Stimulus
from services.nurture.domain.moving import Go, Move, Moving, Stay
from services.nurture.domain.workflow import Step, Workflow

_REMEMBERED: Final = 32  # events kept per enrolment; more than any workflow waits for


def advance(workflow: Workflow, enrolment: Enrolment, stimulus: Stimulus, now: datetime) -> Decision:
    """What the stimulus does to the enrolment. `workflow` is the version that it started with.

    The same arguments always give the same decision, ids of deliveries included. An ended enrolment makes no more
    deliveries; only its clock still listens, until a person gets in touch.
    """
    run = Moving(workflow, enrolment, now.astimezone(UTC))
    match stimulus:
        case Started(earlier):
            for update in sorted(earlier, key=lambda each: (each.event.time, each.event.id)):
                _remember(run, update)
            if run.enrolment.status == "active":
                _walk(run, Go(run.enrolment.position))
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


def _arrive(run: Moving, update: ContactUpdate) -> None:
    if update.lane == "live" and run.enrolment.lane != "live" and run.enrolment.listens:
        run.enrolment = replace(run.enrolment, lane="live")
    step = _step(run)
    if step is not None and step.over_before(run, update.event):
        _wake(run)
    _remember(run, update)
    step = _step(run)
    move = step.arrived(run) if step is not None and run.enrolment.status == "active" else None
    if move is not None:
        _walk(run, move)


def hear(enrolment: Enrolment, update: ContactUpdate) -> Decision:
    """What an update does to an enrolment of an unreadable version: only a human touch counts."""
    heard, touched = _heard(enrolment, update)
    if touched and heard.status == "active":
        heard = _noted(heard, update.event, ())
    return Decision(heard, changed=heard is not enrolment, close_tasks=touched)


def _remember(run: Moving, update: ContactUpdate) -> None:
    """Apply an update without moving on: contact, clock, goal, and the waits that it satisfies."""
    if not run.enrolment.listens:
        return
    event = update.event
    counts = _counts(run.enrolment, event)
    run.enrolment, touched = _heard(run.enrolment, update)
    run.close_tasks = run.close_tasks or touched
    if not counts or run.enrolment.status != "active":
        return
    context = Context(update.contact, update.values, event, run.now)
    goal = run.workflow.goal
    if goal is not None and event.type == goal.on and goal.where(context):
        run.enrolment = _stopped(run.enrolment, event.time, "goal")
        _end(run, "goal_reached", event.type)
        run.cancel = True
        return
    satisfied = tuple(step.id for step in run.workflow.steps.values() if step.satisfied_by(context))
    if satisfied or touched:
        run.enrolment = _noted(run.enrolment, event, satisfied)


def _heard(enrolment: Enrolment, update: ContactUpdate) -> tuple[Enrolment, bool]:
    """The enrolment after everything in the update that needs no workflow; and whether a person got in touch."""
    if not enrolment.listens:
        return enrolment, False
    event, known = update.event, enrolment.contact
    touched = event.human_touch and _counts(enrolment, event)
    newer = update.contact.version > known.version or known.id != enrolment.contact_id  # merged since
    # An ended enrolment keeps its last state.
    if enrolment.status == "active" and newer and update.contact.id == enrolment.contact_id:
        enrolment = replace(enrolment, contact=update.contact, values=update.values)
    if touched:
        enrolment = _stopped(enrolment, event.time, str(event.data.get("who") or "somebody"))
    return enrolment, touched


def _counts(enrolment: Enrolment, event: Happening) -> bool:
    """Whether the event happened after the trigger and is new to us."""
    trigger = enrolment.trigger
    if event.id == trigger.id or event.time < trigger.time:
        return False
    return all(seen.event_id != event.id for seen in enrolment.seen)


def _noted(enrolment: Enrolment, event: Happening, steps: tuple[str, ...]) -> Enrolment:
    return replace(enrolment, seen=(*enrolment.seen, Seen(event.id, steps))[-_REMEMBERED:])


def _wake(run: Moving) -> None:
    enrolment = run.enrolment
    if enrolment.status != "active" or enrolment.waiting is None or run.now < enrolment.waiting.until:
        return
    step = _step(run)
    _walk(run, step.woken(run) if step is not None else Go(None))


def _step(run: Moving) -> Step | None:
    """The step at which the enrolment waits."""
    return run.workflow.steps.get(run.enrolment.position or "")


def _walk(run: Moving, move: Move) -> None:
    """Go from step to step until one waits or the workflow ends. Steps only lead forward, so this terminates."""
    position = run.enrolment.position
    while isinstance(move, Go):
        position = move.to
        if position is None:
            _end(run, "completed", "the last step")
            return
        move = run.workflow.steps[position].reached(run)
    if isinstance(move, Stay):
        run.enrolment = replace(run.enrolment, position=position, waiting=move.waiting)
    else:
        _end(run, "exited", f"step {position}")


def _end(run: Moving, status: Status, because: str) -> None:
    run.enrolment = replace(
        run.enrolment, status=status, position=None, waiting=None, ended_at=run.now, ended_because=because
    )


def _stopped(enrolment: Enrolment, at: datetime, who: str) -> Enrolment:
    """The enrolment with its clock stopped, by whoever was first."""
    window = enrolment.window
    if window is None:
        return enrolment
    at = max(at.astimezone(UTC), window.opened_at)
    if window.stopped_at is None or (at < window.stopped_at and window.stopped_by != "goal"):
        return replace(enrolment, window=replace(window, stopped_at=at, stopped_by=who))
    return enrolment
