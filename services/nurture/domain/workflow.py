"""A workflow, ready to run: a graph of steps in which each names the next. Steps only ever lead forward."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from services.nurture.domain.context import Condition, Context, Happening
from shared.durations import Duration
from shared.events.types import LIKELY_HUMAN

if TYPE_CHECKING:
    from services.nurture.domain.moving import Move, Moving

FOLLOW_UP: Final = "follow-up"  # the default purpose of a mail
EMAIL: Final = "email"
TASK: Final = "task"  # a row for a person, who has the whole time until its deadline
Channel: TypeAlias = str  # one of services/nurture/channels
# Which mails to an address that nobody has proven wait until its owner confirms it: those with a purpose of their own.
ConfirmFirst: TypeAlias = Literal["purposes", "everything", "nothing"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where something goes: a template (e-mail), an endpoint (webhook) or a kind of task."""

    channel: Channel
    name: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts an enrolment. An event older than `max_age` when it is processed is too late; None: never too late.

    One that is less likely than `human` to be a person's starts nothing.
    """

    on: str
    max_age: Duration | None
    human: float = LIKELY_HUMAN


@dataclass(frozen=True, slots=True)
class Reentry:
    """Whether a contact may be enrolled again: `once`, `once_per` a length of time, `always`. Never twice at once."""

    rule: Literal["once", "once_per", "always"]
    per: Duration | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """The event that ends an enrolment at any step, as a success."""

    on: str
    where: Condition


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours, on the contact's clock, in which a wait that respects them does not end. May span midnight."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Outlet:
    """A step that reaches one of us; `assign`: the reps who take turns."""

    step: str
    target: Target
    assign: tuple[str, ...]


class Step(ABC):
    """One step; each kind is a module of services/nurture/steps. What a kind has no use for stays as it is here."""

    __slots__ = ()
    id: str

    @abstractmethod
    def reached(self, run: "Moving") -> "Move":
        """The enrolment reaches it."""

    def woken(self, run: "Moving") -> "Move":
        """The enrolment waited here, and its time has come."""
        return self.reached(run)

    def arrived(self, _run: "Moving") -> "Move | None":
        """An event was applied while the enrolment waits here; None: it does not matter."""
        return None

    def over_before(self, _run: "Moving", _event: Happening) -> bool:
        """Whether an enrolment waiting here was due before this event happened."""
        return False

    def satisfied_by(self, _context: Context) -> bool:
        """Whether this event is what the step waits for, or will."""
        return False

    def listens_to(self) -> str | None:
        """The type of event that can move an enrolment waiting here."""
        return None

    def leads_to(self) -> tuple[str | None, ...]:
        """The steps that may come next, as they are read."""
        return ()

    def outlet(self) -> Outlet | None:
        """Which of us it reaches, if anybody."""
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Workflow:
    """One version of a workflow. A step's `next` of None is the end.

    A step's id is its path in the file ("1", or "1.0.2" for step 2 in arm 0 of step 1) or its own `id:`.
    """

    name: str
    version: str  # a hash of `source`
    source: str  # canonical JSON; `compile_workflow(source)` makes the same workflow again
    trigger: Trigger
    where: Condition
    reentry: Reentry
    goal: Goal | None
    window: Duration | None  # the first-hour clock, stopped only by a human touch
    steps: Mapping[str, Step]
    first: str | None
    confirm_first: ConfirmFirst = "purposes"

    @property
    def listens_to(self) -> frozenset[str]:
        """The event types that can move or end an enrolment or stop its clock."""
        types = {step.listens_to() for step in self.steps.values()} | {"contact.touched"}
        if self.goal is not None:
            types.add(self.goal.on)
        return frozenset(each for each in types if each is not None)
