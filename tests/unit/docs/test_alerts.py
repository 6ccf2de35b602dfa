"""Every alert has its runbook and each runbook its alert; the rules name figures that exist; promtool tries them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from services.cli.main import app
from tests.support.metrics_table import figures
from tests.support.missing import missing

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"


def rules() -> list[dict[str, Any]]:
    """The alerts as Prometheus reads them."""
    (group,) = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return [rule for rule in group["rules"] if "alert" in rule]


ALERTS = {rule["alert"]: rule for rule in rules()}


def test_every_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == ALERTS.keys()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_what_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
    text = (RUNBOOKS / f"{name}.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["How to see it", "What to do first", "It is over when"]


def test_rules_name_figures_that_exist() -> None:
    known = {figure.name for figure in figures()}
    known |= {f"{each.name}{part}" for each in figures() if each.kind == "histogram" for part in ("_bucket", "_count")}
    text = (RULES / "alerts.yml").read_text() + "".join(path.read_text() for path in RUNBOOKS.glob("*.md"))
    assert set(re.findall(r"\bfirsthour_[a-z_]+", text)) <= known


def test_every_alert_is_tried_by_a_course_of_figures() -> None:
    tried = "".join(path.read_text() for path in RULES.glob("*_test.yml"))
    for name in ALERTS:
        assert re.search(rf"alertname: {name}\n +exp_alerts:", tried), name


def test_every_alert_is_tried_by_a_fault() -> None:
    tried = (ROOT / "tests" / "faults" / "test_alerts.py").read_text()
    assert {name for name in ALERTS if f'"{name}"' not in tried} == set()


@pytest.mark.parametrize("path", sorted(RULES.glob("*_test.yml")), ids=lambda path: path.name)
def test_promtool_finds_them_right(path: Path) -> None:
    if shutil.which("promtool") is None:
        missing("FIRSTHOUR_NEED_PROMETHEUS", "promtool is in Debian's package prometheus")
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_every_command_of_a_runbook_is_one(page: Path) -> None:
    """With options that it has. Those of Docker and of the system are not ours to try."""
    program = typer.main.get_command(app)
    for words in re.findall(r"`firsthour ([^`]+)`", page.read_text()):
        command: Any = program
        arguments = words.split()
        while arguments and arguments[0] in getattr(command, "commands", {}):
            command = command.commands[arguments.pop(0)]
        with command.make_context(None, arguments) as context:
            assert context.command is command


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_every_link_of_a_runbook_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
