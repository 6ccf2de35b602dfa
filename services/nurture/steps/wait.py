"""`wait`: go on after some time."""

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from services.nurture.domain.enrolment import Waiting
from services.nurture.domain.moving import Go, Move, Moving, Stay
from services.nurture.domain.quiet_hours import after_quiet_hours
from services.nurture.domain.workflow import QuietHours, Step
from services.nurture.steps.kind import Building, Kind, Place
from services.nurture.steps.values import Length
from shared.config import ConfigModel
from shared.durations import Duration, plus


class WaitModel(ConfigModel):
    """`wait: {for: 30m, respect: quiet_hours}`."""

    length: Length = Field(alias="for")
    respect: Literal["quiet_hours"] | None = None


@dataclass(frozen=True, slots=True)
class Wait(Step):
    """Wait for a time; with `quiet_hours`, a wait that would end inside them ends with them."""

    id: str
    length: Duration
    quiet_hours: QuietHours | None
    next: str | None

    def reached(self, run: Moving) -> Move:
        until = plus(run.now, self.length, run.zone)
        if self.quiet_hours is not None:
            until = after_quiet_hours(until, self.quiet_hours, run.zone)
        return Stay(Waiting(until))

    def woken(self, run: Moving) -> Move:
        """Go on, unless the timer was late and quiet hours have begun meanwhile."""
        if self.quiet_hours is not None:
            until = after_quiet_hours(run.now, self.quiet_hours, run.zone)
            if until > run.now:
                return Stay(Waiting(until))
        return Go(self.next)

    def leads_to(self) -> tuple[str | None, ...]:
        return (self.next,)


def _compile(model: WaitModel, place: Place, build: Building) -> Wait:
    quiet = build.quiet_hours((*place.path, "respect")) if model.respect else None
    return Wait(place.id, model.length, quiet, place.after)


WAIT: Final = Kind(
    key="wait",
    field=lambda _vocabulary: (WaitModel | None, None),
    compile=_compile,
    docs={
        "wait: {for: 30m}": "goes on after this time; with `respect: quiet_hours` never inside the quiet hours, also "
        "when it is late"
    },
)
