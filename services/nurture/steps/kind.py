"""What a kind of step is. Everything about one is in its module: YAML, behaviour, its line in the docs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from services.nurture.channels.channel import Registry as Channels
from services.nurture.domain.context import Condition
from services.nurture.domain.workflow import QuietHours, Step, Target

Path: TypeAlias = tuple[str | int, ...]  # of keys and indexes in the file


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the models of steps are built from: the channels, and the type of a list of steps."""

    channels: Channels
    steps: Any


class Building(Protocol):
    """The compiler's interface for steps."""

    problems: list[tuple[Path, str]]
    targets: list[tuple[Path, Target]]  # every name used, to be checked
    reps: list[tuple[Path, str]]

    @property
    def trigger_type(self) -> str:
        """The type of the event that starts the workflow: what `event` is in its conditions."""

    def condition(self, text: str | None, event_type: str, path: Path) -> Condition:
        """A condition, compiled; one that always holds for None."""

    def quiet_hours(self, path: Path) -> QuietHours | None:
        """The workflow's quiet hours, on behalf of the step at `path`."""

    def sequence(self, steps: Sequence[Any], path: Path, prefix: str, after: str | None) -> str | None:
        """A list of steps inside a step: the id of its first. At its end it leads to `after`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step stands: its id, its keys in the file, its number, and where it leads to.

    `otherwise`: the first step of its companion, or where that leads to.
    """

    id: str
    path: Path
    number: str
    after: str | None
    otherwise: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """One kind of step.

    `field`: what stands under its key, as pydantic's type and default.
    `compile`: the step that runs, from its model.
    `companion`: a key that may follow right after it, with a list of steps of its own.
    `alone`: it may stand without a value; `ends`: nothing after it is ever reached.
    `docs`: what `docs/workflows.md` says of its keys, one row each.
    """

    key: str
    field: Callable[[Vocabulary], tuple[Any, Any]]
    compile: Callable[[Any, Place, Building], Step]
    docs: Mapping[str, str]
    companion: str | None = None
    alone: bool = False
    ends: bool = False
