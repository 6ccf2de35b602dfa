"""`send`: a delivery by one channel, to the contact, to a system or to one of us."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pydantic import Field, create_model, model_validator

from services.nurture.channels.channel import Channel, Name, Registry
from services.nurture.domain.deliveries.delivery import NewDelivery
from services.nurture.domain.deliveries.new_delivery import new_delivery
from services.nurture.domain.moving import Go, Move, Moving
from services.nurture.domain.workflow import FOLLOW_UP, Outlet, Step, Target
from services.nurture.steps.kind import Building, Kind, Place, Vocabulary
from services.nurture.steps.values import Length
from shared.config import ConfigModel
from shared.durations import Duration, plus


class AssignModel(ConfigModel):
    """`assign: {round_robin: [ana, ben]}`."""

    round_robin: tuple[Name, ...] = Field(min_length=1, max_length=100)


class TargetModel(ConfigModel):
    """Exactly one channel with the name of its template, endpoint or kind of task.

    `_field` adds one for each of `channels`.
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


@dataclass(frozen=True, slots=True)
class Send(Step):
    """Send one thing by one channel. `deadline` counts from the moment the step is reached.

    `purpose`: of a mail, for consent. `to_contact`: otherwise it goes to one of us.
    """

    id: str
    target: Target
    assign: tuple[str, ...]  # reps, taken in turn; only for tasks
    deadline: Duration | None
    fallback: Target | None
    next: str | None
    purpose: str = FOLLOW_UP
    to_contact: bool = False

    def reached(self, run: Moving) -> Move:
        """Make the delivery, and go on."""
        run.deliveries.append(_delivery(run, self))
        return Go(self.next)

    def leads_to(self) -> tuple[str | None, ...]:
        return (self.next,)

    def outlet(self) -> Outlet | None:
        """Which of us it reaches."""
        return None if self.to_contact else Outlet(self.id, self.target, self.assign)


def _delivery(run: Moving, step: Send) -> NewDelivery:
    return new_delivery(
        run.enrolment,
        step.id,
        step.target,
        now=run.now,
        lane=run.enrolment.lane,
        assign=step.assign,
        purpose=step.purpose,
        deadline=plus(run.now, step.deadline, run.zone) if step.deadline is not None else None,
        fallback=step.fallback,
        confirm_first=run.workflow.confirm_first,
        to_contact=step.to_contact,
    )


def _field(vocabulary: Vocabulary) -> tuple[Any, Any]:
    channels = vocabulary.channels
    fields: dict[str, Any] = dict.fromkeys(channels, (Name | None, None))
    target = create_model("TargetModel", __base__=TargetModel, **fields)
    fallback: Any = (target | None, None)
    send = create_model("SendModel", __base__=SendModel, fallback=fallback, **fields)
    target.channels = send.channels = channels
    return send | None, None


def _compile(model: SendModel, place: Place, build: Building) -> Send:
    target = model.target()
    fallback = model.fallback.target() if model.fallback is not None else None
    assign = model.assign.round_robin if model.assign is not None else ()
    build.targets.append(((*place.path, target.channel), target))
    if fallback is not None:
        build.targets.append(((*place.path, "fallback", fallback.channel), fallback))
    build.reps += [((*place.path, "assign", "round_robin", index), name) for index, name in enumerate(assign)]
    purpose, to_contact = model.purpose or FOLLOW_UP, model.channel().to_contact
    return Send(place.id, target, assign, model.deadline, fallback, place.after, purpose, to_contact)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


SEND: Final = Kind(
    key="send",
    field=_field,
    compile=_compile,
    docs={
        "send: {webhook: NAME}": "a signed request to the endpoint NAME of `endpoints.yaml`",
        "send: {email: NAME}": "the template `templates/NAME.txt` (and `NAME.html`) to the contact",
        "send: {task: NAME, assign: {round_robin: [ana, ben]}}": "a task for a person, in turn; without `assign`, for "
        "anyone. At its start, nurture gives the open tasks of reps who are no longer in `endpoints.yaml` to the "
        "others of the turn, else to anyone; they are not told by mail",
    },
)
