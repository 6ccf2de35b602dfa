import json
import re
import shutil
from pathlib import Path

import pytest

from services.nurture.domain.advance import advance
from services.nurture.domain.enrolment import Due
from services.nurture.language.compile import compile_workflow, load_workflows
from shared.config import Document
from shared.errors import ConfigurationError
from tests.unit.nurture.builders import a_contact, a_touch, an_update, begun, sent

SHIPPED = Path(__file__).parents[3] / "config"

ENDPOINTS = """\
webhooks:
  hook: {url: "https://example.com/hook", secrets: [env:HOOK_SECRET]}
  spare: {url: "https://example.com/spare", secrets: [env:SPARE_SECRET]}
email: {smtp: "smtp://localhost:1025", from: "hello@example.com"}
reps:
  ana: {email: ana@example.com}
"""

GOOD = """\
workflow: good
trigger: {on: lead.captured}
steps:
  - send: {webhook: hook}
"""


def a_config(folder: Path, *workflows: str) -> Path:
    (folder / "workflows").mkdir()
    (folder / "templates").mkdir()
    (folder / "templates" / "thanks.txt").write_text("Subject: Thanks\n\nHello", encoding="utf-8")
    (folder / "endpoints.yaml").write_text(ENDPOINTS, encoding="utf-8")
    for index, text in enumerate(workflows):
        (folder / "workflows" / f"{index}.yaml").write_text(text, encoding="utf-8")
    return folder


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load_workflows(folder)
    return [str(problem).removeprefix(str(folder) + "/") for problem in raised.value.problems]


def test_what_is_shipped_loads_without_a_warning() -> None:
    loaded = load_workflows(SHIPPED)
    assert set(loaded.by_name) == {"first-hour", "thank-customer"}
    assert set(loaded.by_trigger) == {"lead.captured", "purchase.completed"}
    assert loaded.warnings == ()


def test_the_shipped_first_hour_sends_at_once_and_calls_the_valuable_ones() -> None:
    workflow = load_workflows(SHIPPED).by_name["first-hour"]
    small = begun(workflow, an_update(lead=100))
    assert sent(small) == [("webhook", "marketing-automation"), ("email", "thanks")]
    large = begun(workflow, an_update(lead=50_000))
    assert sent(large)[-1] == ("task", "call-now")
    assert workflow.listens_to == {"contact.touched", "purchase.completed"}


def test_the_shipped_thanks_follow_a_purchase() -> None:
    workflow = load_workflows(SHIPPED).by_name["thank-customer"]
    bought = an_update("purchase.completed", order_id="A-1", amount="10.00", currency="EUR")
    assert sent(begun(workflow, bought)) == [("email", "thank-customer"), ("webhook", "marketing-automation")]


@pytest.mark.parametrize(("consent", "last"), [({"email": True}, ["cross-sell"]), ({"email": False}, []), ({}, [])])
def test_the_shipped_suggestion_goes_only_to_those_who_agreed(consent: dict[str, bool], last: list[str]) -> None:
    workflow = load_workflows(SHIPPED).by_name["thank-customer"]
    bought = an_update("purchase.completed", contact=a_contact(consent=consent), order_id="A-1", amount="10.00")
    run = begun(workflow, bought).enrolment
    assert run.due_at is not None
    decision = advance(workflow, run, Due(), run.due_at)
    assert [delivery.target for delivery in decision.deliveries] == last
    assert decision.enrolment.status == "completed"


def test_the_manual_is_true() -> None:
    manual = (SHIPPED.parent / "docs" / "workflows.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    workflow = compile_workflow(Document(Path("example"), example).data)
    assert set(workflow.steps) == {"0", "1", "call", "1.0.1", "1.0.2.0", "1.1.0", "1.1.1", "2"}
    [body] = re.findall(r"```json\n(.*?)```", manual, re.DOTALL)
    [sent_first, *_] = begun(workflow, an_update(form="demo", message="…")).deliveries
    real = json.loads(sent_first.payload)["data"]
    shown = json.loads(body)["data"]
    assert set(shown) == set(real)
    assert all(set(shown[key]) <= set(real[key]) for key in ("contact", "event", "window", "lead_value"))


def test_a_stored_version_compiles_to_the_same_version() -> None:
    for workflow in load_workflows(SHIPPED).by_name.values():
        again = compile_workflow(workflow.source)
        assert (again.version, again.source, list(again.steps)) == (
            workflow.version,
            workflow.source,
            list(workflow.steps),
        )


def test_layout_and_comments_make_no_new_version_but_meaning_does(tmp_path: Path) -> None:
    one = a_config(tmp_path, GOOD)
    before = load_workflows(one).by_name["good"].version
    (one / "workflows" / "0.yaml").write_text("# a comment\n" + GOOD.replace("{on: ", "{  on:  "), encoding="utf-8")
    assert load_workflows(one).by_name["good"].version == before
    (one / "workflows" / "0.yaml").write_text(GOOD.replace(": hook", ": spare"), encoding="utf-8")
    assert load_workflows(one).by_name["good"].version != before


def test_ids_are_paths_or_what_was_written(tmp_path: Path) -> None:
    text = """\
workflow: ids
trigger: {on: lead.captured}
steps:
  - send: {webhook: hook}
  - branch:
      - when: lead.value > 1.0
        steps:
          - {id: called, send: {task: call}}
          - wait_for: {event: contact.touched, timeout: 5m}
          - on_timeout: [{send: {webhook: hook}}]
      - else: [exit]
"""
    workflow = load_workflows(a_config(tmp_path, text)).by_name["ids"]
    assert set(workflow.steps) == {"0", "1", "called", "1.0.1", "1.0.2.0", "1.1.0"}
    decision = begun(workflow, an_update(lead=1000))
    assert [delivery.step for delivery in decision.deliveries] == ["0", "called"]
    assert a_touch().event.human_touch


def test_every_mistake_of_every_file_at_once_with_its_line(tmp_path: Path) -> None:
    first = """\
workflow: first
trigger: {on: lead.catpured, max_age: 60 minutes}
window: {length: 1d, stops_on: robot}
colour: red
steps:
  - send: {webhook: hook, email: thanks}
  - {}
"""
    second = """\
workflow: second
trigger: {on: lead.captured}
where: contact.contry == "DE"
steps:
  - on_timeout: [exit]
  - send: {webhook: nowhere, fallback: {email: nothing}}
  - send: {task: call, assign: {round_robin: [zoe]}}
  - wait: {for: 30m, respect: quiet_hours}
  - exit
  - branch:
      - else: [exit]
"""
    found = problems_of(a_config(tmp_path, first, second, GOOD, GOOD, "workflow: [", ""))
    expected = [
        "workflows/0.yaml:2: trigger.on: unknown event type",
        "workflows/0.yaml:2: trigger.max_age: '60 minutes' is not a duration",
        "workflows/0.yaml:3: window.stops_on: Input should be 'human_touch'",
        "workflows/0.yaml:4: colour: unknown key",
        "workflows/0.yaml:6: steps.0.send: must name exactly one of email, webhook and task",
        "workflows/0.yaml:7: steps.1: must be exactly one of",
        "workflows/1.yaml:3: where: contact has no field 'contry'",
        "workflows/1.yaml:5: steps.0: on_timeout must come right after a wait_for",
        "workflows/1.yaml:6: steps.1.send.webhook: no webhook of this name in endpoints.yaml",
        "workflows/1.yaml:6: steps.1.send.fallback.email: no template of this name in templates/",
        "workflows/1.yaml:7: steps.2.send.assign.round_robin.0: no rep of this name in endpoints.yaml",
        "workflows/1.yaml:8: steps.3.wait.respect: the workflow has no quiet hours",
        "workflows/1.yaml:10: steps.5: never reached",
        "workflows/1.yaml:10: steps.5.branch: a branch needs at least one `when`",
        "workflows/3.yaml:1: workflow: another file has a workflow of this name",
        "workflows/4.yaml:",
        "workflows/5.yaml: workflow: Field required",
        "workflows/5.yaml: trigger: Field required",
        "workflows/5.yaml: steps: Field required",
    ]
    for problem, start in zip(found, expected, strict=True):
        assert problem.startswith(start)


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("send: {webhook: hook, assign: {round_robin: [ana]}}", "assign is for tasks"),
        ("send: {webhook: hook, fallback: {webhook: hook}}", "the fallback is the same"),
        ("send: {task: call, fallback: {webhook: hook}}", "needs a deadline"),
        ("send: {webhook: hook, deadline: 5}", "must be a duration"),
        ("wait_for: {event: contact.touched}", "Field required"),
        ("wait: {for: 0m}", "longer than 0"),
        ("branch: [{when: lead.value > 1}]", "must be `when:` with `steps:`"),
        ("branch: [{else: [exit]}, {when: lead.value > 1, steps: [exit]}]", "else must be the last"),
        ("branch: []", "at least 1 item"),
        ("dance: {}", "unknown key"),
        ("wait", "must hold keys"),
    ],
)
def test_mistakes_in_a_step(tmp_path: Path, step: str, problem: str) -> None:
    found = problems_of(a_config(tmp_path, GOOD.replace("send: {webhook: hook}", step)))
    assert any(problem in each and "0.yaml:4" in each for each in found), found


def test_the_same_id_twice(tmp_path: Path) -> None:
    again = "  - {id: same, send: {webhook: hook}}\n"
    [found] = problems_of(a_config(tmp_path, GOOD + again + again))
    assert "another step has the id 'same'" in found


def test_no_workflow_and_no_mail_server(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    assert problems_of(config) == ["workflows: no workflow in this folder (*.yaml)"]
    (config / "endpoints.yaml").write_text("reps: {}", encoding="utf-8")
    (config / "workflows" / "0.yaml").write_text(GOOD.replace("webhook: hook", "email: thanks"), encoding="utf-8")
    [found] = problems_of(config)
    assert "names no mail server" in found


def test_what_nothing_uses_is_a_warning(tmp_path: Path) -> None:
    warnings = [str(each) for each in load_workflows(a_config(tmp_path, GOOD)).warnings]
    assert [each.removeprefix(str(tmp_path) + "/") for each in warnings] == [
        "endpoints.yaml:3: webhooks.spare: no workflow uses it",
        "endpoints.yaml:6: reps.ana: no workflow assigns a task to this rep",
        "templates/thanks.txt: no workflow uses it",
    ]


def test_problems_of_endpoints_come_with_those_of_workflows(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED / "templates", tmp_path / "templates")
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "a.yaml").write_text("workflow: A", encoding="utf-8")
    found = problems_of(tmp_path)
    assert any(each.startswith("endpoints.yaml") for each in found)
    assert any(each.startswith("workflows/a.yaml:1") for each in found)
