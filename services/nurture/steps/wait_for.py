"""`wait_for`: go on when an event happens, or when it does not happen in time."""

from dataclasses import dataclass
from typing import Final

from services.nurture.domain.context import Condition, Context, Happening
from services.nurture.domain.enrolment import Waiting
from services.nurture.domain.moving import Go, Move, Moving, Stay
from services.nurture.domain.workflow import Step
from services.nurture.steps.kind import Building, Kind, Place
from services.nurture.steps.values import EventType, Expression, Length
from shared.config import ConfigModel
from shared.durations import Duration, plus


class WaitForModel(ConfigModel):
    """`wait_for: {event: contact.touched, where: event.human, timeout: 15m}`."""

    event: EventType
    where: Expression | None = None
    timeout: Length


@dataclass(frozen=True, slots=True)
class WaitFor(Step):
    """Wait for an event of this type for which `where` holds, at most for `timeout`."""

    id: str
    event: str
    where: Condition
    timeout: Duration
    next: str | None  # the event came
    on_timeout: str | None  # it did not come in time

    def reached(self, run: Moving) -> Move:
        """Wait, unless the event has happened already."""
        if run.take_seen(self.id):
            return Go(self.next)
        return Stay(Waiting(plus(run.now, self.timeout, run.zone), self.event))

    def woken(self, _run: Moving) -> Move:
        """The event did not come in time."""
        return Go(self.on_timeout)

    def arrived(self, run: Moving) -> Move | None:
        """Go on if the event just applied satisfies it."""
        return Go(self.next) if run.take_seen(self.id) else None

    def over_before(self, run: Moving, event: Happening) -> bool:
        """Whether the event is too late: it happened after the time-out, and only the timer is late."""
        waiting = run.enrolment.waiting
        return waiting is not None and waiting.until < min(run.now, event.time)

    def satisfied_by(self, context: Context) -> bool:
        """Whether this event satisfies it, whenever the enrolment gets here."""
        return self.event == context.event.type and self.where(context)

    def listens_to(self) -> str | None:
        """The event type that it waits for."""
        return self.event

    def leads_to(self) -> tuple[str | None, ...]:
        """The next step after the event, then after the time-out."""
        return self.next, self.on_timeout


def _compile(model: WaitForModel, place: Place, build: Building) -> WaitFor:
    where = build.condition(model.where, model.event, (*place.path, "where"))
    return WaitFor(place.id, model.event, where, model.timeout, place.after, place.otherwise)


WAIT_FOR: Final = Kind(
    key="wait_for",
    field=lambda _vocabulary: (WaitForModel | None, None),
    compile=_compile,
    companion="on_timeout",
    docs={
        "wait_for: {event: …, where: …, timeout: 15m}": "goes on when the event happens",
        "on_timeout: [steps]": "right after a `wait_for`: what to do when it did not; after it, both ways go on "
        "together",
    },
)
