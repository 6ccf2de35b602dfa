"""Workflows from YAML: checked as a whole, with conditions compiled, in the shape that `domain/` runs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from services.nurture.channels.channel import FILE as ENDPOINTS
from services.nurture.channels.channel import Registry
from services.nurture.channels.registry import CHANNELS
from services.nurture.config import Endpoints, load_endpoints
from services.nurture.domain.facts import Condition
from services.nurture.domain.workflow import (
    FOLLOW_UP,
    Arm,
    Branch,
    Exit,
    Goal,
    QuietHours,
    Send,
    Step,
    Target,
    Trigger,
    Wait,
    WaitFor,
    Workflow,
)
from services.nurture.language.conditions import Undecided, always, compile_condition
from services.nurture.language.file import ArmModel, SendModel, StepModel, WorkflowModel, workflow_model
from shared.config import Document, read, validate
from shared.errors import ConfigProblem, ConfigurationError

FOLDER: Final = "workflows"
_DEEPEST: Final = 10  # levels of branches in branches

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Workflows:
    """The live version of every workflow, with what `check` should warn of."""

    by_name: Mapping[str, Workflow]
    by_trigger: Mapping[str, tuple[Workflow, ...]]  # by the type of event that starts them
    warnings: tuple[ConfigProblem, ...]


def load_workflows(config: Path, *, undecided: Undecided | None = None, channels: Registry = CHANNELS) -> Workflows:
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
            model = validate(document, workflow_model(channels))
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
    source: str | Mapping[str, Any], *, undecided: Undecided | None = None, channels: Registry = CHANNELS
) -> Workflow:
    """One workflow from its data, or from `Workflow.source` as it was stored: the same version again.

    Names of endpoints, reps and templates are not checked: an old version may name what is gone by now, and then
    its deliveries fail with a reason. Raises ConfigurationError with every other problem.
    """
    canonical = source if isinstance(source, str) else _canonical(source)
    document = Document(Path("workflow"), canonical)
    build = _Build(validate(document, workflow_model(channels)), undecided)
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
    problems: list[tuple[_Path, str]] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)
    targets: list[tuple[_Path, Target]] = field(default_factory=list)
    reps: list[tuple[_Path, str]] = field(default_factory=list)

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
        )

    def condition(self, text: str | None, event_type: str, path: _Path) -> Condition:
        if text is None:
            return always
        try:
            if self.undecided is None:
                return compile_condition(text, event_type)
            return compile_condition(text, event_type, undecided=self.undecided)
        except ValueError as error:
            self.problems.append((path, str(error)))
            return always

    def sequence(self, steps: Sequence[StepModel], path: _Path, prefix: str, after: str | None) -> str | None:
        """Build the list; `after` is where it leads at its end. Returns the id of its first step."""
        if len(path) > 3 * _DEEPEST:
            self.problems.append((path, f"nested deeper than {_DEEPEST} levels"))
            return after
        for index, step in enumerate(steps[:-1]):
            if step.exit:
                self.problems.append(((*path, index + 1), "never reached: the step before it ends the run"))
        position = after
        for index in range(len(steps) - 1, -1, -1):  # from the end, so that each knows what comes next
            step = steps[index]
            if step.on_timeout is not None:
                if index == 0 or steps[index - 1].wait_for is None:
                    self.problems.append(((*path, index), "on_timeout must come right after a wait_for"))
                if step.id is not None:
                    self.problems.append(((*path, index, "id"), "on_timeout belongs to its wait_for and has no id"))
                continue
            timed_out = None
            follower = steps[index + 1] if index + 1 < len(steps) else None
            if step.wait_for is not None:
                timed_out = position
                if follower is not None and follower.on_timeout is not None:
                    timed_out = self.sequence(
                        follower.on_timeout, (*path, index + 1, "on_timeout"), f"{prefix}{index + 1}.", position
                    )
            position = self.step(step, (*path, index), f"{prefix}{index}", position, timed_out)
        return position

    def step(self, step: StepModel, path: _Path, place: str, after: str | None, timed_out: str | None) -> str:
        identifier = step.id or place
        if identifier in self.steps:
            self.problems.append(((*path, "id"), f"another step has the id {identifier!r}"))
        if step.send is not None:
            self.steps[identifier] = self.send(step.send, (*path, "send"), identifier, after)
        elif step.wait is not None:
            quiet = self.quiet_hours((*path, "wait", "respect")) if step.wait.respect else None
            self.steps[identifier] = Wait(identifier, step.wait.length, quiet, after)
        elif step.wait_for is not None:
            wait_for = step.wait_for
            where = self.condition(wait_for.where, wait_for.event, (*path, "wait_for", "where"))
            self.steps[identifier] = WaitFor(identifier, wait_for.event, where, wait_for.timeout, after, timed_out)
        elif step.branch is not None:
            self.steps[identifier] = self.branch(step.branch, (*path, "branch"), identifier, place, after)
        else:
            self.steps[identifier] = Exit(identifier)
        return identifier

    def send(self, send: SendModel, path: _Path, identifier: str, after: str | None) -> Send:
        target = send.target()
        fallback = send.fallback.target() if send.fallback is not None else None
        assign = send.assign.round_robin if send.assign is not None else ()
        self.targets.append(((*path, target.channel), target))
        if fallback is not None:
            self.targets.append(((*path, "fallback", fallback.channel), fallback))
        self.reps += [((*path, "assign", "round_robin", index), name) for index, name in enumerate(assign)]
        purpose = send.purpose or FOLLOW_UP
        to_contact = send.channel().to_contact
        return Send(identifier, target, assign, send.deadline, fallback, after, purpose, to_contact)

    def branch(self, arms: Sequence[ArmModel], path: _Path, identifier: str, place: str, after: str | None) -> Branch:
        built: list[Arm] = []
        otherwise = after
        for index, arm in enumerate(arms):
            prefix = f"{place}.{index}."
            if arm.otherwise is not None:
                if index != len(arms) - 1:
                    self.problems.append(((*path, index, "else"), "else must be the last way of a branch"))
                otherwise = self.sequence(arm.otherwise, (*path, index, "else"), prefix, after)
            else:
                when = self.condition(arm.when, self.model.trigger.on, (*path, index, "when"))
                to = self.sequence(arm.steps or (), (*path, index, "steps"), prefix, after)
                built.append(Arm(when, to))
        if not built:
            self.problems.append((path, "a branch needs at least one `when`"))
        return Branch(identifier, tuple(built), otherwise)

    def quiet_hours(self, path: _Path) -> QuietHours | None:
        if self.model.quiet_hours is None:
            self.problems.append((path, 'the workflow has no quiet hours; write quiet_hours: "21:00-08:00"'))
        return self.model.quiet_hours


def _dangling(build: _Build, endpoints: Endpoints, config: Path) -> list[tuple[_Path, str]]:
    found: list[tuple[_Path, str]] = []
    for path, target in build.targets:
        channel = endpoints.channels[target.channel]
        found += [(path, problem) for problem in channel.wrong(endpoints.of(channel), config, target.name)]
    found += [(path, f"no rep of this name in {ENDPOINTS}") for path, name in build.reps if name not in endpoints.reps]
    return found


def _unused(config: Path, endpoints: Endpoints, used: set[Target], reps: set[str]) -> list[ConfigProblem]:
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
