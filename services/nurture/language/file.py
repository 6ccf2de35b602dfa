"""The shape of a workflow's YAML file: which keys there are and what each may hold. Meaning is in `workflows.py`."""

from datetime import time
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    create_model,
    model_validator,
)

from services.nurture.channels.channel import Channel, Name, Registry
from services.nurture.domain.workflow import ConfirmFirst, QuietHours, Reentry
from services.nurture.steps.kind import Kind, Vocabulary
from services.nurture.steps.values import EventType, Expression, Length
from shared.config import ConfigModel
from shared.durations import parse_duration
from shared.events.types import LIKELY_HUMAN

_MOST_STEPS: Final = 100  # in one list


def _reentry(value: Any) -> Reentry:
    match value.split() if isinstance(value, str) else ():
        case ["once"]:
            return Reentry("once")
        case ["always"]:
            return Reentry("always")
        case ["once_per", length]:
            return Reentry("once_per", parse_duration(length))
    raise ValueError("must be once, always (when not running), or once_per and a duration: once_per 30d")


def _quiet_hours(value: Any) -> QuietHours:
    try:
        start, end = (time.fromisoformat(part.strip()) for part in str(value).split("-"))
    except ValueError:
        raise ValueError('must be two times of day such as "21:00-08:00"') from None
    if start == end or start.tzinfo or end.tzinfo:
        raise ValueError("must start and end at different times of day, without a time zone")
    return QuietHours(start, end)


_TEXT: Final = {"type": "string"}
StepId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class TriggerModel(ConfigModel):
    """`trigger: {on: lead.captured, max_age: 60m, human: 0.5}`."""

    on: EventType
    max_age: Length | None = None
    human: Annotated[float, Field(ge=0, le=1)] = LIKELY_HUMAN


class GoalModel(ConfigModel):
    """`goal: {on: purchase.completed}`."""

    on: EventType
    where: Expression | None = None


class WindowModel(ConfigModel):
    """`window: {length: 60m, stops_on: human_touch}`."""

    length: Length
    stops_on: Literal["human_touch"]


class StepModel(ConfigModel):
    """Exactly one kind of step, with an `id:` of its own if it should keep its name when steps move.

    `workflow_model` adds a field for each of `kinds` and its companion.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ()

    id: StepId | None = None

    @model_validator(mode="after")
    def _one(self) -> "StepModel":
        keys = [key for kind in self.kinds for key in (kind.key, kind.companion) if key is not None]
        if sum(getattr(self, key) is not None for key in keys) != 1:
            raise ValueError(f"must be exactly one of {', '.join(keys)}")
        return self

    def kind(self) -> Kind | None:
        """The kind that it is; None for a companion."""
        return next((each for each in self.kinds if getattr(self, each.key) is not None), None)

    def companion(self, kind: Kind) -> "tuple[StepModel, ...] | None":
        """The steps under this kind's companion, if it is that."""
        found: tuple[StepModel, ...] | None = getattr(self, kind.companion) if kind.companion is not None else None
        return found


def _some(steps: tuple[StepModel, ...]) -> tuple[StepModel, ...]:
    if not 0 < len(steps) <= _MOST_STEPS:
        raise ValueError(f"must have 1 to {_MOST_STEPS} steps")
    return steps


class WorkflowModel(ConfigModel):
    """A whole workflow file."""

    workflow: Name
    trigger: TriggerModel
    where: Expression | None = None
    reentry: Annotated[Reentry, PlainValidator(_reentry), WithJsonSchema(_TEXT)] = Reentry("once")
    goal: GoalModel | None = None
    window: WindowModel | None = None
    quiet_hours: Annotated[QuietHours, PlainValidator(_quiet_hours), WithJsonSchema(_TEXT)] | None = None
    confirm_first: ConfirmFirst = "purposes"
    steps: tuple[StepModel, ...]


def workflow_model(channels: Registry, kinds: tuple[Kind, ...]) -> type[WorkflowModel]:
    """The model of a file that has these kinds of steps and sends by these channels."""
    return _workflow_model(tuple(channels.values()), kinds)


@cache
def _workflow_model(channels: tuple[Channel, ...], kinds: tuple[Kind, ...]) -> type[WorkflowModel]:
    words = {kind.key for kind in kinds if kind.alone}

    def spelled_out(value: Any) -> Any:
        return {value: True} if isinstance(value, str) and value in words else value

    steps: Any = Annotated[tuple[Annotated["AnyStep", BeforeValidator(spelled_out)], ...], AfterValidator(_some)]  # type: ignore[name-defined] # noqa: F821
    vocabulary = Vocabulary({channel.name: channel for channel in channels}, steps)
    fields: dict[str, Any] = {kind.key: kind.field(vocabulary) for kind in kinds}
    fields |= {kind.companion: (steps | None, None) for kind in kinds if kind.companion is not None}
    step = create_model("StepModel", __base__=StepModel, **fields)
    step.kinds = kinds
    whole = create_model("WorkflowModel", __base__=WorkflowModel, steps=(steps, ...))
    for model in (step, whole):
        model.model_rebuild(_types_namespace={"AnyStep": step})
    return whole
