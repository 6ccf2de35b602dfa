"""Which mistakes nobody would notice: cosmic-ray makes them one by one in a copy of the tree, the room's tests look.

    make mutants ROOM=shared/money.py
    make mutants ROOM=services/nurture/domain SAMPLE=50
    make mutants ROOM=shared/kafka/loop TESTS="tests/integration/shared/test_consumer_loop.py"

A room is a file or a folder. Without TESTS each file is judged by the unit tests that import it, and what survives those
by all of its service. TESTS that need Kafka and Postgres share one stack. SAMPLE takes so many mutants of the room, by
chance. Survivors are printed, and written to `mutants.txt`: each is a test to write, or a change that changes nothing.
"""

import argparse
import compileall
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any, Final, NamedTuple

from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import WorkerOutcome, WorkResult

from tests.support.stack import reachable_folder, running_stack

_ROOT: Final = Path(__file__).parents[1]
_LIST: Final = _ROOT / "mutants.txt"
# One mistake of each kind: what people do write, and no bit operators in place of those in annotations.
_KEPT: Final = (
    "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_Mul", "Pow_Mul", "BitAnd_BitOr",
    "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is", "USub_UAdd", "Delete_Not",
)  # fmt: skip
_LEFT_OUT: Final = rf"core/Replace(Binary|Comparison|Unary)Operator_(?!({'|'.join(_KEPT)})$)|core/Variable.*"
# All that a rule's test needs: a plugin that nobody uses costs each mutant a second.
_PYTEST: Final = (
    "-m pytest -x -q -p no:cacheprovider -p pytest_asyncio.plugin -p pytest_timeout -p _hypothesis_pytestplugin "
    "--hypothesis-profile=quick"
)
_DECLARED: Final = re.compile(r"\s*(@dataclass|class )")  # frozen, slots: that changes nothing
_SURVIVED: Final = "survived"
_LONGEST_S: Final = 120.0


class Mutant(NamedTuple):
    """A change and whether anybody noticed."""

    noticed: bool
    line: int
    what: str
    diff: str


@dataclass(frozen=True)
class Session:
    """The mutants of one module, in a copy of everything that is written to."""

    module: Path
    tests: Sequence[Sequence[str]]
    """Groups: a mutant that survives one is judged by the next."""
    tree: Path
    options: Sequence[str] = ()
    """Of pytest."""

    @property
    def _config(self) -> Path:
        return self.tree / f"{self.module.with_suffix('').as_posix().replace('/', '.')}.toml"

    @property
    def _database(self) -> Path:
        return self._config.with_suffix(".sqlite")

    @property
    def command(self) -> str:
        """What judges a mutant."""
        runs = [shlex.join([sys.executable, *shlex.split(_PYTEST), *self.options, *group]) for group in self.tests]
        return shlex.join(["sh", "-c", " && ".join(runs)])

    def find(self) -> list[str]:
        """The ids of its mutants."""
        self._configure(timeout_s=_LONGEST_S)
        _run("cosmic-ray", "init", self._config.name, self._database.name, tree=self.tree)
        _run("cr-filter-operators", self._database.name, self._config.name, tree=self.tree)
        lines = (self.tree / self.module).read_text().splitlines()
        with use_db(self._database) as database:
            pending = {item.job_id: item.mutations[0].start_pos[0] for item in database.pending_work_items}
        return sorted(each for each, line in pending.items() if not _DECLARED.match(lines[line - 1]))

    def judge(self, chosen: Collection[str], took_s: float) -> Iterator[Mutant]:
        """The chosen ones, as the tests found them; without a mutant these take so many seconds."""
        self._configure(timeout_s=min(_LONGEST_S, 10 + 5 * took_s))
        with use_db(self._database) as database:
            others = [item.job_id for item in database.pending_work_items if item.job_id not in chosen]
            database.set_multiple_results(others, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
        _run("cosmic-ray", "exec", self._config.name, self._database.name, tree=self.tree)
        for line in _run("cosmic-ray", "dump", self._database.name, tree=self.tree).splitlines():
            item, result = json.loads(line)
            if result is not None and result["worker_outcome"] == "normal":
                yield _mutant(item["mutations"][0], result)

    def baseline(self) -> float:
        """How long the tests take without a mutant; they must pass."""
        began = time.monotonic()
        _run("cosmic-ray", "baseline", self._config.name, tree=self.tree)
        return time.monotonic() - began

    def _configure(self, timeout_s: float) -> None:
        self._config.write_text(
            "[cosmic-ray]\n"
            f"module-path = {json.dumps(str(self.module))}\n"
            f"timeout = {timeout_s:.1f}\n"
            "excluded-modules = []\n"
            f"test-command = {json.dumps(self.command)}\n"
            '[cosmic-ray.distributor]\nname = "local"\n'
            f"[cosmic-ray.filters.operators-filter]\nexclude-operators = [{json.dumps(_LEFT_OUT)}]\n"
        )


def tests_of(module: Path, root: Path) -> list[list[str]]:
    """The unit tests that import the module, then all of its service. Paths from the root."""
    name = ".".join(module.with_suffix("").parts)
    package, _, last = name.rpartition(".")
    said = (f"from {name} import", f"import {name}\n", f"from {package} import {last}\n")
    unit = sorted((root / "tests" / "unit").rglob("test_*.py"))
    found = [str(path.relative_to(root)) for path in unit if any(each in path.read_text() for each in said)]
    wide = [f"tests/unit/{module.parts[1] if module.parts[0] == 'services' else module.parts[0]}"]
    return [found, wide] if found else [wide]


def _mutant(made: dict[str, Any], result: dict[str, Any]) -> Mutant:
    diff = [each for each in (result["diff"] or "").splitlines() if not each.startswith(("---", "+++", "@@", " "))]
    what = str(made["operator_name"]).removeprefix("core/")
    return Mutant(result["test_outcome"] != _SURVIVED, made["start_pos"][0], what, "\n".join(diff))


def _run(program: str, *arguments: str, tree: Path) -> str:
    path = Path(sys.executable).parent / program
    environment = {
        "PATH": f"{path.parent}:/usr/bin:/bin",
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",  # two mutants of one second would be one to Python
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HOME": os.environ["HOME"],  # its cache holds Kafka
    }
    done = subprocess.run(
        [path, *arguments],
        cwd=tree,
        env=environment,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise SystemExit(f"{program} {arguments[0]} failed:\n{done.stdout[-3000:]}")
    return done.stdout


def _copy(to: Path) -> None:
    """All that git knows or would take, as it is now, compiled so that only a mutated module is compiled again."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=_ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (_ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_ROOT / name, to / name)
    compileall.compile_dir(to, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("room", type=Path, help="a file or a folder, from the root of the repository")
    parser.add_argument("tests", nargs="*", help="in place of the unit tests that belong to each file")
    parser.add_argument("--sample", type=int, help="so many mutants of the room, by chance, in place of all")
    options = parser.parse_args()
    room = options.room
    modules = (
        [room] if room.suffix == ".py" else sorted(each.relative_to(_ROOT) for each in (_ROOT / room).rglob("*.py"))
    )
    modules = [each for each in modules if (_ROOT / each).stat().st_size and each.name != "__init__.py"]
    if not modules:
        raise SystemExit(f"there is nothing in {room}")
    with ExitStack() as parts:
        tree = parts.enter_context(reachable_folder())
        _copy(tree)
        common: list[str] = []
        if any(not test.startswith("tests/unit") for test in options.tests):
            stack = parts.enter_context(running_stack())
            common = ["--stack", f"{stack.kafka},{stack.postgres}"]
        sessions = [
            Session(each, [options.tests] if options.tests else tests_of(each, tree), tree, common) for each in modules
        ]
        _judge(sessions, options.sample)
    return 0


def _judge(sessions: Sequence[Session], sample: int | None) -> None:
    found = [(session, identifier) for session in sessions for identifier in session.find()]
    chosen = found if sample is None or sample >= len(found) else random.sample(found, sample)
    print(f"# {len(chosen)} of {len(found)} mutants", flush=True)
    took: dict[str, float] = {}
    count = noticed = 0
    with _LIST.open("w") as survivors:
        for session in sessions:
            its = {identifier for one, identifier in chosen if one is session}
            if not its:
                continue
            if session.command not in took:
                took[session.command] = session.baseline()
            print(f"# {session.module}: {len(its)}, {took[session.command]:.0f} s", flush=True)
            for mutant in session.judge(its, took[session.command]):
                count, noticed = count + 1, noticed + mutant.noticed
                if not mutant.noticed:
                    text = f"{session.module}:{mutant.line} {mutant.what}\n{mutant.diff}\n"
                    print(text, flush=True)
                    print(text, file=survivors, flush=True)
    print(f"{noticed} of {count} noticed ({100 * noticed / max(count, 1):.0f} %); survivors in {_LIST.name}")


if __name__ == "__main__":
    raise SystemExit(main())
