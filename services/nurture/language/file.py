"""The shape of a workflow's YAML file: which keys there are and what each may hold. Meaning is in `workflows.py`."""

from collections.abc import Sequence
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
from services.nurture.domain.duration import Duration, parse_duration
from services.nurture.domain.workflow import QuietHours, Reentry, Target
from shared.config import ConfigModel
from shared.events.types import DATA_TYPES, LIKELY_HUMAN

_MOST_STEPS: Final = 100  # in one list


def _duration(value: Any) -> Duration:
    if not isinstance(value, str):
        raise ValueError("must be a duration such as 60m, 2h or 30d")  # noqa: TRY004 - pydantic wants ValueError
    return parse_duration(value)


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


def _event_type(value: str) -> str:
    if value not in DATA_TYPES:
        raise ValueError(f"unknown event type; known are {', '.join(sorted(DATA_TYPES))}")
    return value


def _exit(value: Any) -> Any:
    return {"exit": True} if value == "exit" else value


_TEXT: Final = {"type": "string"}
_DURATION: Final = {"type": "string", "pattern": r"^(\d+[smhdw])+$", "examples": ["60m", "1h30m", "30d"]}
StepId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Length = Annotated[Duration, PlainValidator(_duration), WithJsonSchema(_DURATION)]
EventType = Annotated[str, PlainValidator(_event_type), WithJsonSchema({"type": "string", "enum": sorted(DATA_TYPES)})]
Expression = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


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


class AssignModel(ConfigModel):
    """`assign: {round_robin: [ana, ben]}`."""

    round_robin: tuple[Name, ...] = Field(min_length=1, max_length=100)


class TargetModel(ConfigModel):
    """Exactly one channel with the name of its template, endpoint or kind of task.

    `workflow_model` adds a field for each channel of `channels`.
    """

    channels: ClassVar[Registry] = {}

    @model_validator(mode="after")
    def _one(self) -> "TargetModel":
        if len(self._named()) != 1:
            raise ValueError(f"must name exactly one of {_listed(list(self.channels))}")
        return self

    def target(self) -> Target:
        """The one channel and name."""
        ((channel, name),) = self._named()
        return Target(channel, name)

    def channel(self) -> Channel:
        """The one channel."""
        return self.channels[self.target().channel]

    def _named(self) -> list[tuple[str, str]]:
        named = ((channel, getattr(self, channel)) for channel in self.channels)
        return [(channel, name) for channel, name in named if name is not None]


class SendModel(TargetModel):
    """`send: {webhook: on-call, deadline: 5m, fallback: {webhook: escalate}}`."""

    assign: AssignModel | None = None
    deadline: Length | None = None
    fallback: TargetModel | None = None
    purpose: Name | None = None

    @model_validator(mode="after")
    def _sensible(self) -> "SendModel":
        by_person = self.channel().by_person
        if self.assign is not None and not by_person:
            raise ValueError("assign is for tasks: only a person can be assigned")
        targets = [each for each in (self, self.fallback) if each is not None]
        if self.purpose is not None and not any(each.channel().to_contact for each in targets):
            raise ValueError("a purpose is for e-mail: who agreed to what is asked before one is sent")
        if self.fallback is not None and self.fallback.target() == self.target():
            raise ValueError("the fallback is the same as what it stands in for")
        if self.fallback is not None and by_person and self.deadline is None:
            raise ValueError("a task's fallback needs a deadline, or it would never be used")
        return self


class WaitModel(ConfigModel):
    """`wait: {for: 30m, respect: quiet_hours}`."""

    length: Length = Field(alias="for")
    respect: Literal["quiet_hours"] | None = None


class WaitForModel(ConfigModel):
    """`wait_for: {event: contact.touched, where: event.human, timeout: 15m}`."""

    event: EventType
    where: Expression | None = None
    timeout: Length


class ArmModel(ConfigModel):
    """`when:` with its `steps:`, or `else:` with its steps."""

    when: Expression | None = None
    steps: "tuple[StepModel, ...] | None" = None
    otherwise: "tuple[StepModel, ...] | None" = Field(default=None, alias="else")

    @model_validator(mode="after")
    def _one(self) -> "ArmModel":
        if (self.otherwise is None) == (self.when is None) or (self.when is None) != (self.steps is None):
            raise ValueError("must be `when:` with `steps:`, or `else:` with a list of steps")
        return self


class StepModel(ConfigModel):
    """Exactly one kind of step, with an `id:` of its own if it should keep its name when steps move."""

    id: StepId | None = None
    send: SendModel | None = None
    wait: WaitModel | None = None
    wait_for: WaitForModel | None = None
    on_timeout: "tuple[StepModel, ...] | None" = None
    branch: tuple[ArmModel, ...] | None = Field(default=None, min_length=1, max_length=50)
    exit: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> "StepModel":
        kinds = ("send", "wait", "wait_for", "on_timeout", "branch", "exit")
        if sum(getattr(self, kind) is not None for kind in kinds) != 1:
            raise ValueError(f"must be exactly one of {', '.join(kinds)}")
        return self


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
    steps: tuple[StepModel, ...]


def workflow_model(channels: Registry) -> type[WorkflowModel]:
    """The model of a file whose steps may send by these channels."""
    return _workflow_model(tuple(channels.values()))


@cache
def _workflow_model(channels: tuple[Channel, ...]) -> type[WorkflowModel]:
    by_name = {channel.name: channel for channel in channels}
    fields: dict[str, Any] = dict.fromkeys(by_name, (Name | None, None))
    target = create_model("TargetModel", __base__=TargetModel, **fields)
    fallback: Any = (target | None, None)
    send = create_model("SendModel", __base__=SendModel, fallback=fallback, **fields)
    target.channels = send.channels = by_name
    steps = Annotated[tuple[Annotated["Step", BeforeValidator(_exit)], ...], AfterValidator(_some)]  # type: ignore[name-defined] # noqa: F821
    ways: Any = {"steps": (steps | None, None), "otherwise": (steps | None, Field(default=None, alias="else"))}
    arm = create_model("ArmModel", __base__=ArmModel, **ways)
    kinds: Any = {
        "send": (send | None, None),
        "on_timeout": (steps | None, None),
        "branch": (tuple[arm, ...] | None, Field(default=None, min_length=1, max_length=50)),  # type: ignore[valid-type]
    }
    step = create_model("StepModel", __base__=StepModel, **kinds)
    whole = create_model("WorkflowModel", __base__=WorkflowModel, steps=(steps, ...))
    for model in (arm, step, whole):
        model.model_rebuild(_types_namespace={"Step": step})
    return whole


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
