from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.nurture.domain.advance import advance, hear
from services.nurture.domain.deliveries.fallback import fallback_of
from services.nurture.domain.enrolment import Arrived, Due, Waiting, decode_enrolment, encode_enrolment
from services.nurture.domain.entry import begin
from services.nurture.domain.workflow import Target
from tests.unit.nurture.builders import (
    CONTACT,
    NOW,
    a_contact,
    a_run,
    a_touch,
    a_workflow,
    an_id,
    an_update,
    begun,
    minutes,
    sent,
)

HOOK: dict[str, Any] = {"send": {"webhook": "hook"}}
CALL: dict[str, Any] = {"send": {"task": "call", "assign": {"round_robin": ["ana", "ben"]}, "deadline": "5m"}}
TOUCHED: dict[str, Any] = {"wait_for": {"event": "contact.touched", "where": "event.human", "timeout": "15m"}}
ESCALATE: dict[str, Any] = {"on_timeout": [{"send": {"webhook": "escalate"}}]}


def waiting(length: str, **more: str) -> dict[str, Any]:
    return {"wait": {"for": length, **more}}


def test_sends_up_to_the_first_wait() -> None:
    decision = begun(a_workflow(HOOK, {"send": {"email": "thanks"}}, waiting("30m"), HOOK))
    assert sent(decision) == [("webhook", "hook"), ("email", "thanks")]
    assert decision.enrolment.position == "2"
    assert decision.enrolment.due_at == NOW + minutes(30)
    assert decision.changed


def test_what_follows_an_import_is_bulk_until_its_contact_does_something() -> None:
    imported = replace(an_update(), lane="bulk")
    workflow = a_workflow(HOOK, waiting("30m"), HOOK, TOUCHED, ESCALATE)
    decision = begun(workflow, imported)
    assert [delivery.lane for delivery in decision.deliveries] == ["bulk"]
    run = decode_enrolment(encode_enrolment(decision.enrolment))
    later = advance(workflow, run, Due(), NOW + minutes(30))
    assert [delivery.lane for delivery in later.deliveries] == ["bulk"]
    alive = advance(workflow, run, Arrived(an_update("engagement.recorded", time=NOW + minutes(1))), NOW + minutes(1))
    later = advance(workflow, alive.enrolment, Due(), NOW + minutes(30))
    assert [delivery.lane for delivery in later.deliveries] == ["live"]
    (given,) = decision.deliveries
    fallback = fallback_of(replace(given, fallback=Target("webhook", "other")), "closed", NOW)
    assert fallback is not None
    assert fallback.lane == "bulk"


def test_a_wait_ends_when_it_is_due_and_not_before() -> None:
    workflow = a_workflow(waiting("30m"), HOOK)
    run = begun(workflow).enrolment
    early = advance(workflow, run, Due(), NOW + minutes(29))
    assert (early.changed, early.enrolment) == (False, run)
    late = advance(workflow, run, Due(), NOW + minutes(45))
    assert sent(late) == [("webhook", "hook")]
    assert (late.enrolment.status, late.enrolment.ended_at) == ("completed", NOW + minutes(45))
    again = advance(workflow, late.enrolment, Due(), NOW + minutes(46))
    assert (again.changed, again.deliveries) == (False, ())


def test_a_wait_respects_the_contacts_quiet_hours() -> None:
    evening = NOW.replace(hour=19, minute=45)  # 20:45 in Berlin
    workflow = a_workflow(waiting("30m", respect="quiet_hours"), HOOK)
    run = begun(workflow, an_update(time=evening), now=evening).enrolment
    assert run.due_at == (evening + timedelta(days=1)).replace(hour=7, minute=0)  # 08:00 in Berlin


def test_a_wait_that_wakes_late_asks_the_quiet_hours_again() -> None:
    workflow = a_workflow({"wait": {"for": "30m", "respect": "quiet_hours"}}, HOOK)
    run = a_run(workflow)  # 11:00 in Berlin, so until 11:30
    late = NOW.replace(hour=22)
    asleep = advance(workflow, run, Due(), late)
    assert (asleep.changed, asleep.deliveries) == (True, ())
    assert asleep.enrolment.waiting == Waiting(datetime(2026, 3, 3, 7, 0, tzinfo=UTC))  # 8:00 there
    assert sent(advance(workflow, asleep.enrolment, Due(), datetime(2026, 3, 3, 7, 0, tzinfo=UTC))) == [
        ("webhook", "hook")
    ]
    whenever = a_workflow({"wait": {"for": "30m"}}, HOOK)
    assert sent(advance(whenever, a_run(whenever), Due(), late)) == [("webhook", "hook")]


def test_the_first_arm_whose_condition_holds() -> None:
    branch = {
        "branch": [
            {"when": "lead.value >= 1000", "steps": [{"send": {"webhook": "big"}}]},
            {"when": "lead.value >= 500.00", "steps": [{"send": {"webhook": "middle"}}]},
            {"else": [{"send": {"webhook": "small"}}]},
        ]
    }
    workflow = a_workflow(branch, HOOK)
    for lead, target in [(100_000, "big"), (99_999, "middle"), (50_000, "middle"), (49_999, "small")]:
        assert sent(begun(workflow, an_update(lead=lead))) == [("webhook", target), ("webhook", "hook")]


def test_a_branch_after_a_wait_sees_the_latest_value() -> None:
    branch = {"branch": [{"when": "lead.value >= 500", "steps": [HOOK]}]}
    workflow = a_workflow(waiting("30m"), branch)
    run = a_run(workflow, lead=100)
    news = an_update("engagement.recorded", time=NOW + minutes(5), lead=60_000, contact=a_contact(version=2))
    heard = advance(workflow, run, Arrived(news), NOW + minutes(5))
    assert heard.changed
    assert sent(advance(workflow, heard.enrolment, Due(), NOW + minutes(30))) == [("webhook", "hook")]
    stale = an_update("engagement.recorded", time=NOW + minutes(4), lead=1, contact=a_contact(version=1))
    assert not advance(workflow, heard.enrolment, Arrived(stale), NOW + minutes(6)).changed


def test_the_event_it_waits_for() -> None:
    workflow = a_workflow(CALL, TOUCHED, ESCALATE, HOOK)
    run = begun(workflow).enrolment
    assert (run.position, run.waiting and run.waiting.event) == ("1", "contact.touched")
    robot = advance(workflow, run, Arrived(a_touch(human=False, time=NOW + minutes(1))), NOW + minutes(1))
    assert (robot.enrolment.status, robot.deliveries, robot.close_tasks) == ("active", (), False)
    person = advance(workflow, run, Arrived(a_touch(time=NOW + minutes(2))), NOW + minutes(2))
    assert sent(person) == [("webhook", "hook")]
    assert person.close_tasks
    assert person.enrolment.status == "completed"


def test_its_timeout_takes_the_other_way_and_both_go_on_together() -> None:
    workflow = a_workflow(CALL, TOUCHED, ESCALATE, HOOK)
    late = advance(workflow, begun(workflow).enrolment, Due(), NOW + minutes(15))
    assert sent(late) == [("webhook", "escalate"), ("webhook", "hook")]


def test_without_on_timeout_a_timeout_simply_goes_on() -> None:
    workflow = a_workflow(TOUCHED, HOOK)
    assert sent(advance(workflow, begun(workflow).enrolment, Due(), NOW + minutes(15))) == [("webhook", "hook")]


def test_what_happened_in_time_counts_though_it_is_heard_late_and_the_other_way_round() -> None:
    workflow = a_workflow(TOUCHED, ESCALATE)
    run = begun(workflow).enrolment
    in_time = advance(workflow, run, Arrived(a_touch(time=NOW + minutes(14))), NOW + minutes(20))
    assert in_time.deliveries == ()
    assert in_time.enrolment.status == "completed"
    too_late = advance(workflow, run, Arrived(a_touch(time=NOW + minutes(16))), NOW + minutes(20))
    assert sent(too_late) == [("webhook", "escalate")]


def test_an_event_before_the_step_that_waits_for_it_counts_once() -> None:
    workflow = a_workflow(waiting("10m"), TOUCHED, ESCALATE, TOUCHED, ESCALATE)
    run = begun(workflow).enrolment
    touch = a_touch(time=NOW + minutes(3))
    heard = advance(workflow, run, Arrived(touch), NOW + minutes(3)).enrolment
    assert heard.position == "0"
    moved = advance(workflow, heard, Due(), NOW + minutes(10)).enrolment
    assert moved.position == "3"  # the first wait_for is satisfied, the second wants an event of its own
    repeated = advance(workflow, moved, Arrived(touch), NOW + minutes(11)).enrolment
    assert repeated.position == "3"
    other = advance(workflow, moved, Arrived(a_touch(time=NOW + minutes(4))), NOW + minutes(11)).enrolment
    assert other.status == "completed"


def test_an_event_that_overtook_the_lead_counts_and_one_before_it_does_not() -> None:
    workflow = a_workflow(TOUCHED, ESCALATE)
    after, before = a_touch(time=NOW + minutes(1)), a_touch(time=NOW - minutes(1))
    assert begin(workflow, an_update(), NOW + minutes(2), earlier=(after,)).enrolment.status == "completed"
    assert begin(workflow, an_update(), NOW + minutes(2), earlier=(before,)).enrolment.position == "0"


def test_a_purchase_that_overtook_the_lead_is_the_goal() -> None:
    bought = an_update("purchase.completed", time=NOW + minutes(1), order_id="A-1", amount="10.00", currency="EUR")
    decision = begin(a_workflow(HOOK), an_update(), NOW + minutes(2), earlier=(bought,))
    assert (decision.enrolment.status, decision.deliveries) == ("goal_reached", ())


@pytest.mark.parametrize("steps", [[waiting("30m"), HOOK], [CALL, TOUCHED, ESCALATE]])
def test_the_goal_ends_it_at_any_step_and_cancels_what_is_open(steps: list[dict[str, Any]]) -> None:
    workflow = a_workflow(*steps)
    bought = an_update("purchase.completed", time=NOW + minutes(3), order_id="A-1", amount="10.00", currency="EUR")
    decision = advance(workflow, begun(workflow).enrolment, Arrived(bought), NOW + minutes(3))
    run = decision.enrolment
    assert (run.status, run.position, run.waiting, run.ended_because) == (
        "goal_reached",
        None,
        None,
        "purchase.completed",
    )
    assert decision.cancel
    assert run.window is not None
    assert (run.window.stopped_by, run.listens) == ("goal", False)
    after = advance(workflow, run, Due(), NOW + minutes(60))
    assert (after.changed, after.deliveries) == (False, ())


def test_a_goal_with_a_condition() -> None:
    workflow = a_workflow(waiting("30m"), goal={"on": "purchase.completed", "where": "event.amount >= 100.0"})
    run = begun(workflow).enrolment
    for amount, status in [("99.99", "active"), ("100.00", "goal_reached")]:
        bought = an_update("purchase.completed", time=NOW, name=amount, amount=amount, currency="EUR", order_id="1")
        assert advance(workflow, run, Arrived(bought), NOW).enrolment.status == status


def test_exit_keeps_what_was_handed_over() -> None:
    decision = begun(a_workflow(HOOK, "exit"))
    assert (decision.enrolment.status, decision.cancel, len(decision.deliveries)) == ("exited", False, 1)


def test_the_clock_runs_on_after_the_end_until_a_person_gets_in_touch() -> None:
    workflow = a_workflow(HOOK, "exit")
    run = begun(workflow, now=NOW + minutes(1)).enrolment
    assert run.window is not None
    assert (run.window.opened_at, run.window.closes_at) == (NOW, NOW + minutes(60))  # from the lead's own time
    assert run.listens
    robot = advance(workflow, run, Arrived(a_touch(human=False, time=NOW + minutes(1))), NOW + minutes(5))
    assert robot.enrolment.window == run.window
    news = an_update("engagement.recorded", time=NOW + minutes(2), contact=a_contact(version=7))
    assert not advance(workflow, run, Arrived(news), NOW + minutes(2)).changed
    touched = advance(workflow, run, Arrived(a_touch(time=NOW + minutes(4))), NOW + minutes(5))
    person = touched.enrolment
    assert touched.close_tasks
    assert person.window is not None
    assert (person.window.stopped_at, person.window.stopped_by) == (NOW + minutes(4), "ana")
    assert (person.listens, person.status) == (False, "exited")


def test_a_touch_that_is_told_twice_closes_no_task_that_it_has_led_to() -> None:
    workflow = a_workflow(
        {"wait_for": {"event": "contact.touched", "timeout": "1h"}}, {"send": {"task": "write"}}, waiting("1h")
    )
    touch = a_touch(time=NOW + minutes(1))
    first = advance(workflow, a_run(workflow), Arrived(touch), NOW + minutes(1))
    assert first.close_tasks
    assert sent(first) == [("task", "write")]
    again = advance(workflow, first.enrolment, Arrived(touch), NOW + minutes(2))
    assert not again.close_tasks
    assert not again.changed
    other = advance(workflow, first.enrolment, Arrived(a_touch(time=NOW + minutes(3))), NOW + minutes(3))
    assert other.close_tasks


def test_a_run_whose_version_cannot_be_read_goes_nowhere_and_takes_a_human_touch() -> None:
    for workflow in (a_workflow(waiting("30m")), a_workflow(HOOK)):
        run = a_run(workflow)
        assert not hear(run, a_touch(time=NOW + minutes(1), human=False)).changed
        heard = hear(run, a_touch(time=NOW + minutes(4)))
        assert (heard.close_tasks, heard.deliveries, heard.cancel) == (True, (), False)
        assert heard.enrolment.window is not None
        assert (heard.enrolment.window.stopped_by, heard.enrolment.status) == ("ana", run.status)
        assert heard.enrolment.position == run.position
        assert not hear(heard.enrolment, a_touch(time=NOW + minutes(4))).close_tasks


def test_of_two_touches_the_earlier_stops_the_clock_in_whatever_order_they_come() -> None:
    workflow = a_workflow(waiting("30m"))
    first, second = a_touch(time=NOW + minutes(2), who="ben"), a_touch(time=NOW + minutes(9))
    for order in ([first, second], [second, first]):
        run = begun(workflow).enrolment
        for touch in order:
            run = advance(workflow, run, Arrived(touch), NOW + minutes(10)).enrolment
        assert run.window is not None
        assert (run.window.stopped_at, run.window.stopped_by) == (NOW + minutes(2), "ben")


def test_a_delivery_says_all_that_is_needed_to_send_it() -> None:
    step = {"id": "hello", "send": {"webhook": "hook", "deadline": "5m", "fallback": {"task": "look"}}}
    [delivery] = begun(a_workflow(step), now=NOW + minutes(1)).deliveries
    assert (delivery.step, delivery.contact_id, delivery.created_at) == ("hello", CONTACT, NOW + minutes(1))
    assert (delivery.deadline, delivery.expires_at) == (NOW + minutes(6), NOW + minutes(5))
    fallback = fallback_of(delivery, "answered 500", NOW + minutes(5))
    assert fallback is not None
    assert (fallback.step, fallback.channel, fallback.target) == ("hello/fallback", "task", "look")
    assert (fallback.deadline, fallback.fallback) == (None, None)
    assert fallback_of(fallback, "again", NOW) is None
    assert fallback_of(delivery, "answered 500", NOW) != delivery
    repeated = fallback_of(delivery, "another reason", NOW + minutes(6))
    assert repeated is not None
    assert repeated.id == fallback.id


def test_a_task_goes_to_reps_in_turn_and_keeps_its_whole_time() -> None:
    step = {"send": CALL["send"] | {"fallback": {"webhook": "on-call"}}}
    [task] = begun(a_workflow(step)).deliveries
    assert task.assign == ("ana", "ben")
    assert task.expires_at == task.deadline == NOW + minutes(5)
    assert task.fallback == Target("webhook", "on-call")


def test_an_update_of_another_contact_after_a_merge_does_not_change_the_view() -> None:
    workflow = a_workflow(waiting("30m"))
    run = begun(workflow).enrolment
    other = an_update("engagement.recorded", time=NOW, name="x", contact=a_contact(id=an_id("gone"), version=9))
    assert not advance(workflow, run, Arrived(other), NOW).changed


def test_a_run_as_a_document_is_the_same_run() -> None:
    workflow = a_workflow(CALL, TOUCHED)
    run = a_run(workflow, message="Grüße 🙂", estimated_value={"amount": "1.00", "currency": "EUR"})
    run = advance(workflow, run, Arrived(a_touch(time=NOW + minutes(1))), NOW + minutes(1)).enrolment
    assert decode_enrolment(encode_enrolment(run)) == run


def test_the_trigger_is_not_its_own_goal_but_the_next_of_its_kind_is() -> None:
    workflow = a_workflow(waiting("3d"), trigger={"on": "purchase.completed"})
    bought = an_update("purchase.completed", order_id="A-1", amount="10.00", currency="EUR")
    run = begun(workflow, bought).enrolment
    assert not advance(workflow, run, Arrived(bought), NOW).changed
    again = an_update("purchase.completed", name="again", order_id="A-2", amount="10.00", currency="EUR")
    assert advance(workflow, run, Arrived(again), NOW).enrolment.status == "goal_reached"
