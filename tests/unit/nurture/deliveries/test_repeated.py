import json

from services.nurture.domain.deliveries.repeated import outlets, repeated
from services.nurture.domain.workflow import Target
from tests.unit.nurture.builders import NOW, a_contact, a_workflow, an_update, begun, minutes

MAIL = {"send": {"email": "thanks"}}
HOOK = {"send": {"webhook": "crm"}}
TASK = {"send": {"task": "call", "assign": {"round_robin": ["ana", "ben"]}}}


def test_who_hears_of_it_is_whom_a_run_comes_to_first() -> None:
    nested = a_workflow(
        MAIL,
        {"branch": [{"when": "lead.value >= 5000.0", "steps": [TASK]}, {"else": [{"send": {"webhook": "late"}}]}]},
        {"wait_for": {"event": "contact.touched", "timeout": "1h"}},
        {"on_timeout": [{"send": {"webhook": "escalate"}}]},
        HOOK,
    )
    assert [step.target.name for step in outlets(nested)] == ["call", "crm", "escalate", "late"]
    assert list(outlets(a_workflow(MAIL, {"wait": {"for": "1h"}}, MAIL | {"id": "again"}))) == []


def test_a_repeated_lead_is_told_with_its_own_message() -> None:
    workflow = a_workflow(MAIL, TASK, HOOK)
    run = begun(workflow).enrolment
    update = an_update(
        name="again",
        time=NOW + minutes(9),
        message="call me",
        contact=a_contact(version=2, phone="+441632960961"),
        lead=7,
    )
    new = repeated(workflow, run, update, NOW + minutes(9), task=None, rep=None)
    assert new is not None
    assert (new.channel, new.target, new.assign, new.enrolment_id) == ("task", "call", ("ana", "ben"), run.id)
    assert (new.deadline, new.fallback, new.expires_at) == (None, None, None)
    body = json.loads(new.payload)
    assert body["type"] == "followup.repeated"
    assert body["data"]["event"]["id"] == str(update.event.id)
    assert body["data"]["event"]["data"]["message"] == "call me"
    assert body["data"]["contact"]["phone"] == "+441632960961"
    assert body["data"]["lead_value"]["amount"] == "0.07"
    assert new == repeated(workflow, run, update, NOW + minutes(9), task=None, rep=None)
    other = repeated(workflow, run, an_update(name="third"), NOW, task=None, rep=None)
    assert other is not None
    assert other.id != new.id


def test_whoever_is_to_call_hears_of_it_first() -> None:
    workflow = a_workflow(HOOK, TASK)
    run = begun(workflow).enrolment
    new = repeated(workflow, run, an_update(name=2), NOW, task=Target("task", "call"), rep="ben")
    assert new is not None
    assert (new.channel, new.target, new.assign) == ("task", "call", ("ben",))
    anybody = repeated(workflow, run, an_update(name=2), NOW, task=Target("task", "call"), rep=None)
    assert anybody is not None
    assert anybody.assign == ()
    hooked = repeated(workflow, run, an_update(name=2), NOW, task=None, rep=None)
    assert hooked is not None
    assert (hooked.channel, hooked.target) == ("webhook", "crm")


def test_a_workflow_that_writes_to_the_contact_alone_tells_nobody() -> None:
    workflow = a_workflow(MAIL)
    assert repeated(workflow, begun(workflow).enrolment, an_update(name=2), NOW, task=None, rep=None) is None
