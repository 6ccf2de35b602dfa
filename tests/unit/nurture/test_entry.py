from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.nurture.domain.deliveries.delivery import delivery_id
from services.nurture.domain.entry import Past, after_merge, enrolment_id, may_enrol
from tests.unit.nurture.builders import CONTACT, NOW, a_contact, a_workflow, an_id, an_update, begun, minutes

HOOK = {"send": {"webhook": "hook"}}
WAIT = {"wait": {"for": "30m"}}


def past(*, at: datetime = NOW - timedelta(days=40), active: bool = False, run: UUID | None = None) -> Past:
    return Past(run or an_id(("past", at)), at, active)


def test_a_fresh_lead_starts() -> None:
    assert may_enrol(a_workflow(HOOK), an_update(), [], NOW + minutes(59)) is None


def test_other_events_do_not() -> None:
    assert may_enrol(a_workflow(HOOK), an_update("contact.identified"), [], NOW) == "other_event"


def test_too_late() -> None:
    assert may_enrol(a_workflow(HOOK), an_update(), [], NOW + minutes(60)) is None, "the last moment is in time"
    assert may_enrol(a_workflow(HOOK), an_update(), [], NOW + minutes(61)) == "late"
    anytime = a_workflow(HOOK, trigger={"on": "lead.captured"})
    assert may_enrol(anytime, an_update(), [], NOW + timedelta(days=400)) is None


def test_what_nobody_knows_the_age_of_starts_nothing() -> None:
    update = an_update()
    undated = replace(update, event=replace(update.event, undated=True))
    for workflow in (a_workflow(HOOK), a_workflow(HOOK, trigger={"on": "lead.captured"})):
        assert may_enrol(workflow, undated, [], NOW) == "late"


def test_what_is_likely_a_robots_starts_nothing_unless_the_workflow_says_so() -> None:
    robot, person = an_update(human_likelihood=0.02), an_update(human_likelihood=0.5)
    assert may_enrol(a_workflow(HOOK), robot, [], NOW) == "robot"
    assert may_enrol(a_workflow(HOOK), person, [], NOW) is None
    assert (an_update().event.human_likelihood, robot.event.human_likelihood) == (1.0, 0.02), "unless it says otherwise"
    assert may_enrol(a_workflow(HOOK, trigger={"on": "lead.captured", "human": 0}), robot, [], NOW) is None
    assert may_enrol(a_workflow(HOOK, trigger={"on": "lead.captured", "human": 0.9}), person, [], NOW) == "robot"


def test_where() -> None:
    workflow = a_workflow(HOOK, where='contact.country != "XX"')
    assert may_enrol(workflow, an_update(contact=a_contact(country="XX")), [], NOW) == "where"
    assert may_enrol(workflow, an_update(contact=a_contact(country=None)), [], NOW) is None


@pytest.mark.parametrize("rule", ["once", "always", "once_per 30d"])
def test_never_two_runs_at_once(rule: str) -> None:
    history = [past(active=True)]
    assert may_enrol(a_workflow(HOOK, reentry=rule), an_update(), history, NOW) == "running"


def test_the_same_event_again_is_no_second_run() -> None:
    workflow, update = a_workflow(HOOK, reentry="always"), an_update()
    run = begun(workflow, update).enrolment
    assert run.id == enrolment_id("sample", update.event.id)
    assert may_enrol(workflow, update, [past(run=run.id)], NOW) == "repeated"


def test_reentry() -> None:
    old, recent = past(), past(at=NOW - timedelta(days=29))
    assert may_enrol(a_workflow(HOOK, reentry="once"), an_update(), [old], NOW) == "reentry"
    assert may_enrol(a_workflow(HOOK, reentry="always"), an_update(), [recent], NOW) is None
    assert may_enrol(a_workflow(HOOK, reentry="once_per 30d"), an_update(), [old], NOW) is None
    assert may_enrol(a_workflow(HOOK, reentry="once_per 30d"), an_update(), [old, recent], NOW) == "reentry"


@given(st.integers(0, 59 * 60), st.integers(0, 59 * 60))
def test_of_two_leads_close_together_only_one_starts_in_whatever_order_they_come(one: int, other: int) -> None:
    workflow = a_workflow(HOOK, reentry="once_per 30d")
    first = an_update(name="first", time=NOW - timedelta(seconds=one))
    second = an_update(name="second", time=NOW - timedelta(seconds=other))
    for started, tried in [(first, second), (second, first)]:
        history = [past(at=started.event.time)]
        assert may_enrol(workflow, tried, history, NOW) == "reentry"


def test_two_contacts_become_one_and_the_older_run_goes_on() -> None:
    workflow, gone = a_workflow(WAIT, HOOK), an_id("gone")
    older = begun(workflow, an_update(name=1, time=NOW - minutes(5), contact=a_contact(id=gone))).enrolment
    newer = begun(workflow, an_update(name=2)).enrolment
    ended, going_on = after_merge([newer, older], CONTACT, NOW)
    assert (ended.enrolment.id, ended.enrolment.status, ended.cancel) == (newer.id, "exited", True)
    assert (going_on.enrolment.id, going_on.enrolment.status, going_on.cancel) == (older.id, "active", False)
    assert {ended.enrolment.contact_id, going_on.enrolment.contact_id} == {CONTACT}
    assert going_on.changed


def test_ids_of_runs_never_change() -> None:
    assert str(enrolment_id("first-hour", an_id("event"))) == "e37da9ac-a514-5cd1-a7df-545724ab752a"


def test_ids_stay_the_same_for_ever() -> None:
    """A repeated batch is recognised by them, and receivers keep them as idempotency keys."""
    run = enrolment_id("first-hour", UUID("01950000-0000-7000-8000-000000000001"))
    assert run == UUID("0f4e48be-002a-5141-a436-5524efd3c4ac")
    assert delivery_id(run, "send-1", "webhook") == UUID("15f9a3fd-560b-5586-9a01-c5b0813026f5")
