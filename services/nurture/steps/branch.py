"""`branch`: take the first arm whose condition holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import Field, create_model, model_validator

from services.nurture.domain.context import Condition
from services.nurture.domain.moving import Go, Move, Moving
from services.nurture.domain.workflow import Step
from services.nurture.steps.kind import Building, Kind, Place, Vocabulary
from services.nurture.steps.values import Expression
from shared.config import ConfigModel


class ArmModel(ConfigModel):
    """`when:` with its `steps:`, or `else:` with its steps."""

    when: Expression | None = None
    steps: Any = None
    otherwise: Any = Field(default=None, alias="else")

    @model_validator(mode="after")
    def _one(self) -> "ArmModel":
        if (self.otherwise is None) == (self.when is None) or (self.when is None) != (self.steps is None):
            raise ValueError("must be `when:` with `steps:`, or `else:` with a list of steps")
        return self


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of a branch, taken if its condition is the first that holds."""

    when: Condition
    to: str | None


@dataclass(frozen=True, slots=True)
class Branch(Step):
    """Take the first arm whose condition holds, else `otherwise`."""

    id: str
    arms: tuple[Arm, ...]
    otherwise: str | None

    def reached(self, run: Moving) -> Move:
        context = run.context(run.enrolment.trigger)
        return Go(next((arm.to for arm in self.arms if arm.when(context)), self.otherwise))

    def leads_to(self) -> tuple[str | None, ...]:
        """The first step of every arm, in order."""
        return (*(arm.to for arm in self.arms), self.otherwise)


def _field(vocabulary: Vocabulary) -> tuple[Any, Any]:
    steps = vocabulary.steps
    ways: Any = {"steps": (steps | None, None), "otherwise": (steps | None, Field(default=None, alias="else"))}
    arm: Any = create_model("ArmModel", __base__=ArmModel, **ways)
    return tuple[arm, ...] | None, Field(default=None, min_length=1, max_length=50)


def _compile(arms: Sequence[ArmModel], place: Place, build: Building) -> Branch:
    built: list[Arm] = []
    otherwise = place.after
    for index, arm in enumerate(arms):
        path, prefix = (*place.path, index), f"{place.number}.{index}."
        if arm.otherwise is not None:
            if index != len(arms) - 1:
                build.problems.append(((*path, "else"), "else must be the last way of a branch"))
            otherwise = build.sequence(arm.otherwise, (*path, "else"), prefix, place.after)
        else:
            when = build.condition(arm.when, build.trigger_type, (*path, "when"))
            built.append(Arm(when, build.sequence(arm.steps or (), (*path, "steps"), prefix, place.after)))
    if not built:
        build.problems.append((place.path, "a branch needs at least one `when`"))
    return Branch(place.id, tuple(built), otherwise)


BRANCH: Final = Kind(
    key="branch",
    field=_field,
    compile=_compile,
    docs={
        "branch: [{when: …, steps: […]}, {else: […]}]": "the first way whose condition holds; none: simply goes on",
    },
)
