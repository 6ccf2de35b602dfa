"""`exit`: end the enrolment."""

from dataclasses import dataclass
from typing import Final, Literal

from services.nurture.domain.moving import End, Move, Moving
from services.nurture.domain.workflow import Step
from services.nurture.steps.kind import Kind


@dataclass(frozen=True, slots=True)
class Exit(Step):
    """End the enrolment. Deliveries already made are still sent."""

    id: str

    def reached(self, _run: Moving) -> Move:
        return End()


EXIT: Final = Kind(
    key="exit",
    field=lambda _vocabulary: (Literal[True] | None, None),
    compile=lambda _model, place, _build: Exit(place.id),
    docs={"exit": "ends the enrolment; deliveries already made are still sent"},
    alone=True,
    ends=True,
)
