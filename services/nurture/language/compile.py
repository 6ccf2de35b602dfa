"""Compiles workflows from YAML: checks each as a whole, and makes what `domain/` runs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any, Final

from services.nurture.channels.channel import FILE as ENDPOINTS
from services.nurture.channels.channel import Registry
from services.nurture.channels.registry import CHANNELS
from services.nurture.config import Endpoints, load_endpoints
from services.nurture.domain.context import Condition
from services.nurture.domain.workflow import Goal, QuietHours, Step, Target, Trigger, Workflow
from services.nurture.language.conditions import Undecided, always, compile_condition
from services.nurture.language.file import StepModel, WorkflowModel, workflow_model
from services.nurture.steps.kind import Kind, Path, Place
from services.nurture.steps.registry import KINDS
from shared.config import Document, read, validate
from shared.errors import ConfigProblem, ConfigurationError

FOLDER: Final = "workflows"
_DEEPEST: Final = 10  # levels of nested branches


@dataclass(frozen=True, slots=True)
class Workflows:
    """The live version of every workflow, and the warnings of `check`."""

    by_name: Mapping[str, Workflow]
    by_trigger: Mapping[str, tuple[Workflow, ...]]  # by the type of event that starts them
    warnings: tuple[ConfigProblem, ...]


def load_workflows(config: File, *, undecided: Undecided | None = None, channels: Registry = CHANNELS) -> Workflows:
    """Every file in `<config>/workflows/`, checked against endpoints and templates.

    `undecided` is called with a condition's text each time it cannot be decided. Raises ConfigurationError with
    all problems of all files. An endpoint, rep or template that nothing uses is a warning.
    """
    problems: list[ConfigProblem] = []
    endpoints: Endpoints | None = None
    try:
        endpoints = load_endpoints(config, channels)
    except ConfigurationError as error:
        problems += error.problems
    files = sorted(path for path in (config / FOLDER).glob("*.y*ml") if path.suffix in (".yaml", ".yml"))
    if not files:
        problems.append(ConfigProblem(config / FOLDER, None, "", "no workflow in this folder (*.yaml)"))
    loaded: dict[str, Workflow] = {}
    used: set[Target] = set()
    reps: set[str] = set()
    for file in files:
        try:
            document = read(file)
            model = validate(document, workflow_model(channels, KINDS))
        except ConfigurationError as error:
            problems += error.problems
            continue
        build = _Build(model, undecided)
        workflow = build.workflow(_canonical(document.data))
        found = list(build.problems)
        if model.workflow in loaded:
            found.append((("workflow",), "another file has a workflow of this name"))
        if endpoints is not None:
            found += _dangling(build, endpoints, config)
        problems += [document.problem(path, text) for path, text in found]
        used |= {target for _, target in build.targets}
        reps |= {name for _, name in build.reps}
        loaded[model.workflow] = workflow
    if problems:
        raise ConfigurationError(sorted(problems, key=_place))
    assert endpoints is not None
    by_trigger: dict[str, tuple[Workflow, ...]] = {}
    for workflow in loaded.values():
        by_trigger[workflow.trigger.on] = (*by_trigger.get(workflow.trigger.on, ()), workflow)
    return Workflows(loaded, by_trigger, tuple(_unused(config, endpoints, used, reps)))


def compile_workflow(
    source: str | Mapping[str, Any],
    *,
    undecided: Undecided | None = None,
    channels: Registry = CHANNELS,
    kinds: tuple[Kind, ...] = KINDS,
) -> Workflow:
    """One workflow from its data, or from `Workflow.source` as it was stored: the same version again.

    Names of endpoints, reps and templates are not checked: an old version may name what is gone by now, and then
    its deliveries fail with a reason. Raises ConfigurationError with every other problem.
    """
    canonical = source if isinstance(source, str) else _canonical(source)
    document = Document(File("workflow"), canonical)
    build = _Build(validate(document, workflow_model(channels, kinds)), undecided)
    workflow = build.workflow(_canonical(document.data))
    if build.problems:
        raise ConfigurationError([document.problem(path, text) for path, text in build.problems])
    return workflow


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


@dataclass(slots=True)
class _Build:
    """Turns one file's model into steps that name the next, and collects what is wrong with it."""

    model: WorkflowModel
    undecided: Undecided | None
    problems: list[tuple[Path, str]] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)
    targets: list[tuple[Path, Target]] = field(default_factory=list)
    reps: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def trigger_type(self) -> str:
        return self.model.trigger.on

    def workflow(self, source: str) -> Workflow:
        model = self.model
        trigger = model.trigger
        goal = None
        if model.goal is not None:
            goal = Goal(model.goal.on, self.condition(model.goal.where, model.goal.on, ("goal", "where")))
        if model.window is not None and model.window.length.days:
            self.problems.append((("window", "length"), "must be in hours and minutes"))
        return Workflow(
            name=model.workflow,
            version=hashlib.sha256(source.encode()).hexdigest()[:12],
            source=source,
            trigger=Trigger(trigger.on, trigger.max_age, trigger.human),
            where=self.condition(model.where, trigger.on, ("where",)),
            reentry=model.reentry,
            goal=goal,
            window=model.window.length if model.window is not None else None,
            first=self.sequence(model.steps, ("steps",), "", None),
            steps=self.steps,
            confirm_first=model.confirm_first,
        )

    def condition(self, text: str | None, event_type: str, path: Path) -> Condition:
        if text is None:
            return always
        try:
            if self.undecided is None:
                return compile_condition(text, event_type)
            return compile_condition(text, event_type, undecided=self.undecided)
        except ValueError as error:
            self.problems.append((path, str(error)))
            return always

    def sequence(self, steps: Sequence[StepModel], path: Path, prefix: str, after: str | None) -> str | None:
        """Build the list; `after` is where it leads at its end. Returns the id of its first step."""
        if len(path) > 3 * _DEEPEST:
            self.problems.append((path, f"nested deeper than {_DEEPEST} levels"))
            return after
        kinds = [step.kind() for step in steps]
        for index, kind in enumerate(kinds[:-1]):
            if kind is not None and kind.ends:
                self.problems.append(((*path, index + 1), "never reached: the step before it ends the enrolment"))
        position = after
        for index in range(len(steps) - 1, -1, -1):  # from the end, so that each step knows the next
            step, here, kind = steps[index], (*path, index), kinds[index]
            if kind is None:
                self.companion(step, kinds[index - 1] if index > 0 else None, here)
                continue
            otherwise = position
            its = steps[index + 1].companion(kind) if index + 1 < len(steps) else None
            if its is not None:
                under = (*path, index + 1, kind.companion or "")
                otherwise = self.sequence(its, under, f"{prefix}{index + 1}.", position)
            number = f"{prefix}{index}"
            place = Place(step.id or number, (*here, kind.key), number, position, otherwise)
            if place.id in self.steps:
                self.problems.append(((*here, "id"), f"another step has the id {place.id!r}"))
            self.steps[place.id] = kind.compile(getattr(step, kind.key), place, self)
            position = place.id
        return position

    def companion(self, step: StepModel, before: Kind | None, path: Path) -> None:
        """Check that it stands where it belongs."""
        kind = next(each for each in step.kinds if step.companion(each) is not None)
        if before is not kind:
            self.problems.append((path, f"{kind.companion} must come right after a {kind.key}"))
        if step.id is not None:
            self.problems.append(((*path, "id"), f"{kind.companion} belongs to its {kind.key} and has no id"))

    def quiet_hours(self, path: Path) -> QuietHours | None:
        if self.model.quiet_hours is None:
            self.problems.append((path, 'the workflow has no quiet hours; write quiet_hours: "21:00-08:00"'))
        return self.model.quiet_hours


def _dangling(build: _Build, endpoints: Endpoints, config: File) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    for path, target in build.targets:
        channel = endpoints.channels[target.channel]
        found += [(path, problem) for problem in channel.wrong(endpoints.of(channel), config, target.name)]
    found += [(path, f"no rep of this name in {ENDPOINTS}") for path, name in build.reps if name not in endpoints.reps]
    return found


def _unused(config: File, endpoints: Endpoints, used: set[Target], reps: set[str]) -> list[ConfigProblem]:
    document = read(config / ENDPOINTS)
    warnings = [
        document.problem(("reps", name), "no workflow assigns a task to this rep")
        for name in endpoints.reps
        if name not in reps
    ]
    for channel in endpoints.channels.values():
        named = {target.name for target in used if target.channel == channel.name}
        warnings += channel.unused(endpoints.of(channel), config, document, named)
    return sorted(warnings, key=_place)


def _place(problem: ConfigProblem) -> tuple[str, int]:
    return str(problem.file), problem.line or 0
