"""A workflow, ready to run: a graph of steps in which each names the next. Steps only ever lead forward."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Final, Literal, TypeAlias

from services.nurture.domain.duration import Duration
from services.nurture.domain.facts import Condition
from shared.events.types import LIKELY_HUMAN

FOLLOW_UP: Final = "follow-up"  # the purpose of a mail that names none
EMAIL: Final = "email"
TASK: Final = "task"  # a row for a person, who has the whole time until its deadline
Channel: TypeAlias = str  # one of services/nurture/channels


@dataclass(frozen=True, slots=True)
class Target:
    """Where something goes: a template (e-mail), an endpoint (webhook) or a kind of task."""

    channel: Channel
    name: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a run. An event older than `max_age` when it is looked at comes too late; None: never too late.

    One that is less likely than `human` to be a person's starts nothing.
    """

    on: str
    max_age: Duration | None
    human: float = LIKELY_HUMAN


@dataclass(frozen=True, slots=True)
class Reentry:
    """Whether a contact may run again: `once`, `once_per` a length of time, `always`. Never two runs at once."""

    rule: Literal["once", "once_per", "always"]
    per: Duration | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """The event that ends a run at any step, as a success."""

    on: str
    where: Condition


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours, on the contact's clock, in which a wait that respects them does not end. May span midnight."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Send:
    """Send one thing by one channel. `deadline` counts from the moment the step is reached.

    `purpose`: of a mail, so that whoever agreed to one thing or wants it no more is not asked about another.
    """

    id: str
    target: Target
    assign: tuple[str, ...]  # reps, taken in turn; only for tasks
    deadline: Duration | None
    fallback: Target | None
    next: str | None
    purpose: str = FOLLOW_UP
    to_contact: bool = False  # else to somebody of ours


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for a time; with `quiet_hours`, a wait that would end inside them ends with them."""

    id: str
    length: Duration
    quiet_hours: QuietHours | None
    next: str | None


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait for an event of this type for which `where` holds, at most for `timeout`."""

    id: str
    event: str
    where: Condition
    timeout: Duration
    next: str | None  # the event came
    on_timeout: str | None  # it did not


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of a branch, taken when its condition is the first that holds."""

    when: Condition
    to: str | None


@dataclass(frozen=True, slots=True)
class Branch:
    """Take the first arm whose condition holds, else `otherwise`."""

    id: str
    arms: tuple[Arm, ...]
    otherwise: str | None


@dataclass(frozen=True, slots=True)
class Exit:
    """End the run here. What was already handed to delivery is still delivered."""

    id: str


Step: TypeAlias = Send | Wait | WaitFor | Branch | Exit


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

    @property
    def listens_to(self) -> frozenset[str]:
        """The event types that can move, end or stop the clock of a run."""
        types = {step.event for step in self.steps.values() if isinstance(step, WaitFor)}
        if self.goal is not None:
            types.add(self.goal.on)
        return frozenset(types | {"contact.touched"})
