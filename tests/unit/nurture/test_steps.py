"""A kind of step is one module and one line; what the docs say of it stands there too."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from services.nurture.domain.moving import Go, Move, Moving
from services.nurture.domain.workflow import Step
from services.nurture.language.compile import compile_workflow
from services.nurture.steps.kind import Kind
from services.nurture.steps.registry import KINDS
from shared.errors import ConfigurationError
from tests.unit.nurture.builders import begun, sent

DOCS = (Path(__file__).parents[3] / "docs" / "workflows.md").read_text(encoding="utf-8")


def test_the_docs_say_of_each_kind_what_it_says_itself() -> None:
    table = DOCS.partition("## Steps")[2].partition("\n\n- ")[0]
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \|$", table, re.MULTILINE)
    assert rows == [row for kind in KINDS for row in kind.docs.items()]


@dataclass(frozen=True, slots=True)
class Twice(Step):
    id: str
    next: str | None

    def reached(self, run: Moving) -> Move:
        run.deliveries += run.deliveries[-1:]
        return Go(self.next)

    def leads_to(self) -> tuple[str | None, ...]:
        return (self.next,)


TWICE = Kind(
    key="twice",
    field=lambda _vocabulary: (Literal[True] | None, None),
    compile=lambda _model, place, _build: Twice(place.id, place.after),
    docs={"twice": "what was sent last is sent again"},
    alone=True,
)
SOURCE = {
    "workflow": "again",
    "trigger": {"on": "lead.captured"},
    "steps": [{"send": {"webhook": "crm"}}, "twice", {"send": {"webhook": "other"}}],
}


def test_a_new_kind_is_a_module_and_a_line() -> None:
    with pytest.raises(ConfigurationError):
        compile_workflow(SOURCE)
    workflow = compile_workflow(SOURCE, kinds=(*KINDS, TWICE))
    assert [target for _, target in sent(begun(workflow))] == ["crm", "crm", "other"]
