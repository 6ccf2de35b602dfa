"""Which mistakes nobody would notice: cosmic-ray makes them one by one in a copy of the tree, the room's tests look.

    make mutants ROOM=shared/money.py
    make mutants ROOM=services/nurture/domain TESTS="tests/unit/nurture"

A room is a file or a folder. Without TESTS each file is judged by the unit tests that import it, else by those of its
service. Survivors are printed, and written to `mutants.txt`: each is a test to write, or a change that changes nothing.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

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
_SURVIVED: Final = "survived"


class Mutant(NamedTuple):
    """A change and whether anybody noticed."""

    noticed: bool
    line: int
    what: str
    diff: str


def tests_of(module: Path, root: Path) -> list[str]:
    """The unit tests that import the module, else those of its service. Paths from the root."""
    name = ".".join(module.with_suffix("").parts)
    package, _, last = name.rpartition(".")
    said = (f"from {name} import", f"import {name}\n", f"from {package} import {last}\n")
    unit = sorted((root / "tests" / "unit").rglob("test_*.py"))
    found = [path for path in unit if any(each in path.read_text() for each in said)]
    if found:
        return [str(path.relative_to(root)) for path in found]
    return [f"tests/unit/{module.parts[1] if module.parts[0] == 'services' else module.parts[0]}"]


def mutants_of(module: Path, tests: Sequence[str], tree: Path) -> Iterator[Mutant]:
    """Every mutant of the module, as the tests found it. `tree` is a copy of everything: it is written to."""
    config, session = tree / "mutants.toml", tree / "mutants.sqlite"
    session.unlink(missing_ok=True)
    command = " ".join([sys.executable, _PYTEST, *tests])
    config.write_text(
        "[cosmic-ray]\n"
        f"module-path = {json.dumps(str(module))}\n"
        "timeout = 120.0\n"
        "excluded-modules = []\n"
        f"test-command = {json.dumps(command)}\n"
        '[cosmic-ray.distributor]\nname = "local"\n'
        f"[cosmic-ray.filters.operators-filter]\nexclude-operators = [{json.dumps(_LEFT_OUT)}]\n"
    )
    _run("cosmic-ray", "init", config.name, session.name, tree=tree)
    _run("cr-filter-operators", session.name, config.name, tree=tree)
    _run("cosmic-ray", "baseline", config.name, tree=tree)
    _run("cosmic-ray", "exec", config.name, session.name, tree=tree)
    for line in _run("cosmic-ray", "dump", session.name, tree=tree).splitlines():
        item, result = json.loads(line)
        if result is not None and result["worker_outcome"] == "normal":
            yield _mutant(item["mutations"][0], result)


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
    """All that git knows or would take, as it is now."""
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("room", type=Path, help="a file or a folder, from the root of the repository")
    parser.add_argument("tests", nargs="*", help="in place of the unit tests that import each file")
    options = parser.parse_args()
    room = options.room
    modules = (
        [room] if room.suffix == ".py" else sorted(each.relative_to(_ROOT) for each in (_ROOT / room).rglob("*.py"))
    )
    modules = [each for each in modules if (_ROOT / each).stat().st_size and each.name != "__init__.py"]
    if not modules:
        raise SystemExit(f"there is nothing in {room}")
    count = noticed = 0
    with TemporaryDirectory() as folder, _LIST.open("w") as survivors:
        tree = Path(folder)
        _copy(tree)
        for module in modules:
            tests = options.tests or tests_of(module, tree)
            print(f"# {module}: {' '.join(tests)}", flush=True)
            for mutant in mutants_of(module, tests, tree):
                count, noticed = count + 1, noticed + mutant.noticed
                if not mutant.noticed:
                    text = f"{module}:{mutant.line} {mutant.what}\n{mutant.diff}\n"
                    print(text, flush=True)
                    print(text, file=survivors, flush=True)
    print(f"{noticed} of {count} noticed ({100 * noticed / max(count, 1):.0f} %); survivors in {_LIST.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
