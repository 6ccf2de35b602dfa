"""Files, folders and `make` targets that the docs name exist."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import app

ROOT = Path(__file__).parents[3]
PAGES = sorted([ROOT / "CONTRIBUTING.md", ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# A name in code quotes that begins with one of our folders; "acme" stands for a sender that a reader adds.
NAMED = re.compile(r"`((?:services|shared|embedded|demo|deploy|tests|benchmarks|docs|locks|config)/[\w./-]*)`")
LINKED = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"(?:^|`|\s)make ([a-z][a-z-]*)(?=[\s`]|$)", re.MULTILINE)


def code_of(page: str) -> str:
    """What of a page is code: blocks of shell, and what stands in quotes of code."""
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = [line.split("#")[0] for block in blocks for line in block.splitlines()]
    return "\n".join([*lines, *re.findall(r"`(make [^`\n]+)`", page)])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    missing = [name for name in NAMED.findall(text) if "acme" not in name and not (ROOT / name).exists()]
    missing += [link for link in LINKED.findall(text) if not (page.parent / link).exists()]
    assert not missing


def test_every_target_that_a_page_names_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in TARGET.findall(code_of(page.read_text()))}
    assert "run" in named
    assert named <= targets


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    linked = set(LINKED.findall((folder / "README.md").read_text()))
    assert linked == {path.name for path in folder.glob("[0-9]*.md")}


def test_every_folder_of_the_architecture_page_holds_something() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {name for name in NAMED.findall(page) if name.endswith("/")}
    assert "services/nurture/deliveries/" in rooms
    assert all(any((ROOT / room).glob("*.py")) or any((ROOT / room).glob("*/*")) for room in rooms)


def test_the_program_says_its_version() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert said.exit_code == 0
    assert said.output.split() == ["firsthour", version("firsthour")]
