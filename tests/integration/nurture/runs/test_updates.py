"""What the handler makes of a batch beside its runs: dead letters, lanes, canaries, and what it tells after the commit."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from services.nurture.channels.channel import Rep
from services.nurture.channels.email.settings import MailServer
from services.nurture.config import Endpoints
from shared import canary
from shared.clock import new_id, utc_now
from tests.support.enrolling import ONCE, RUN, House
from tests.support.nurture_service import a_contact, an_update


async def rows(house: House, statement: str) -> list[tuple[Any, ...]]:
    async with house.engine.connect() as conn:
        return [tuple(row) for row in await conn.execute(sa.text(statement))]


def changed(update: bytes, **fields: Any) -> bytes:
    """The envelope with other fields."""
    return msgspec.json.encode(msgspec.json.decode(update) | fields)


def with_event(update: bytes, event: dict[str, Any]) -> bytes:
    return changed(update, data=msgspec.json.decode(update)["data"] | {"event": event})


async def test_what_is_told_is_told_after_the_commit_alone(house: House) -> None:
    process = await house.process(RUN)
    handled = await process.handles(an_update(a_contact()), an_update(a_contact(), "engagement.recorded"))
    assert process.sendable == []
    assert process.sample("firsthour_nurture_updates_total") == 0
    await process.conn.commit()
    assert handled.after_commit is not None
    handled.after_commit()
    assert process.sendable == [{"crm"}]
    assert process.sample("firsthour_nurture_updates_total") == 2
    assert process.sample("firsthour_nurture_enrolments_total", workflow="first-hour") == 1


async def test_a_lead_of_the_live_lane_is_timed_and_an_import_waits_behind_it(house: House) -> None:
    process = await house.process(RUN, RUN | {"workflow": "bought", "trigger": {"on": "purchase.completed"}})
    await process.settles(an_update(a_contact()), topic="bulk")
    await process.settles(an_update(a_contact(), "purchase.completed"))
    assert not process.sample("firsthour_lead_hop_seconds_count", hop="enrolled")
    await process.settles(an_update(a_contact()))
    assert process.sample("firsthour_lead_hop_seconds_count", hop="enrolled") == 1
    assert await rows(house, "SELECT lane, count(*) FROM deliveries GROUP BY lane ORDER BY lane") == [
        ("bulk", 1),
        ("live", 2),
    ]


async def test_a_canary_is_passed_on_and_leaves_nothing(house: House) -> None:
    process = await house.process(RUN)
    identifier, update = an_update(a_contact())
    await process.settles((identifier, changed(update, type=canary.UPDATE_TYPE)))
    assert [each.id for each in process.canaries] == [identifier]
    assert process.sample("firsthour_nurture_updates_total") == 0
    assert await house.runs() == []


async def test_an_update_that_cannot_be_read_is_a_dead_letter_alone_and_counts_when_it_is_sent_again(
    house: House,
) -> None:
    process = await house.process(RUN)
    bad, good = a_contact(), a_contact()
    identifier, update = an_update(bad)
    unreadable = (identifier, with_event(update, {"type": "lead.captured"}))
    handled = await process.handles(unreadable, (new_id(), b"no update"), an_update(good))
    await process.conn.commit()
    assert {each.record.value for each in handled.dead} == {unreadable[1], b"no update"}
    assert {each.error_class for each in handled.dead} == {"Permanent"}
    assert [contact for contact, _, _ in await house.runs()] == [good.id]
    await process.settles((identifier, update))
    assert {contact for contact, _, _ in await house.runs()} == {bad.id, good.id}


async def test_a_copy_of_an_update_is_handled_once(house: House) -> None:
    contact, start = a_contact(), utc_now() - timedelta(minutes=5)
    process = await house.process(ONCE | {"reentry": "always"})
    lead = an_update(contact, time=start)
    await process.settles(lead, lead)
    await process.settles(lead)
    assert len(await house.runs()) == 1
    assert await rows(house, "SELECT count(*) FROM refusals") == [(0,)]
    await process.settles(an_update(contact, time=start + timedelta(minutes=1)))
    assert len(await house.runs()) == 2


async def test_a_workflow_may_start_with_a_fact_of_ours(house: House) -> None:
    failed = ONCE | {"workflow": "failed", "trigger": {"on": "followup.failed"}}
    process, contact = await house.process(failed), a_contact()
    identifier, update = an_update(contact)
    event = msgspec.json.decode(update)["data"]["event"] | {
        "type": "followup.failed",
        "data": {
            "identity": {"contact_id": str(contact.id)}, "enrolment": str(new_id()), "workflow": "w", "step": "0",
            "channel": "webhook", "target": "crm", "delivery": str(new_id()),
        },
    }  # fmt: skip
    data = msgspec.json.decode(update)["data"] | {"event": event, "event_type": "followup.failed"}
    await process.settles((identifier, changed(update, data=data)))
    assert [workflow for _, workflow, _ in await house.runs()] == ["failed"]
    other = await house.process(RUN)
    await other.settles((new_id(), changed(update, data=data)))
    assert len(await house.runs()) == 1, "elsewhere it says nothing new"


async def test_a_lead_of_who_was_merged_is_followed_up_as_the_survivor_s(house: House) -> None:
    survivor, gone = a_contact(), a_contact()
    process = await house.process(RUN)
    await process.settles(an_update(survivor, "engagement.recorded", merged=[gone.id]))
    await process.settles(an_update(gone))
    ((payload,),) = await rows(house, "SELECT payload FROM deliveries")
    assert msgspec.json.decode(payload)["data"]["contact"]["id"] == str(survivor.id)


async def test_a_touch_after_the_end_stops_the_clock_and_nothing_else_moves_what_has_ended(house: House) -> None:
    once = ONCE | {"window": {"length": "60m", "stops_on": "human_touch"}, "goal": {"on": "purchase.completed"}}
    contact = a_contact()
    process = await house.process(once)
    await process.settles(an_update(contact))
    await process.settles(an_update(contact, "purchase.completed"))
    assert await rows(house, "SELECT status, window_stopped_by FROM enrolments") == [("completed", None)]
    await process.settles(an_update(contact, "contact.touched"))
    await process.settles(an_update(contact, "contact.touched"))
    assert await rows(house, "SELECT status, window_stopped_by FROM enrolments") == [("completed", "ana")]


async def test_an_event_that_is_too_large_is_not_kept_for_runs_to_come(house: House) -> None:
    process, contact = await house.process(RUN), a_contact()
    await process.settles(an_update(contact, "contact.touched", note="x" * 33_000))
    assert await rows(house, "SELECT count(*) FROM recent_events") == [(0,)]
    await process.settles(an_update(contact, "contact.touched", note="x" * 30_000))
    assert await rows(house, "SELECT count(*) FROM recent_events") == [(1,)]


TASK = ONCE | {
    "steps": [{"send": {"task": "call", "assign": {"round_robin": ["ana", "ben"]}}}, {"wait": {"for": "1h"}}]
}
REPS = {name: Rep(name, f"{name}@example.org") for name in ("ana", "ben")}


@pytest.mark.parametrize("mails", [True, False])
async def test_a_task_is_a_follow_up_and_the_mail_that_tells_its_rep_of_it_is_none(house: House, mails: bool) -> None:
    process = await house.process(TASK)
    server = MailServer("localhost", 1025, "none", None, None, "hello@example.com", "Ada", 2)
    process.handler._endpoints = Endpoints({"task": REPS} | ({"email": server} if mails else {}))
    await process.settles(an_update(a_contact(), trust="public"), an_update(a_contact()))
    assert await rows(house, "SELECT rep FROM tasks ORDER BY rep") == [("ana",), ("ben",)], "they take turns"
    told = await rows(
        house, "SELECT rep, recipient, public_source, confirmation, is_first FROM deliveries ORDER BY rep"
    )
    assert told == ([("ana", None, None, None, False), ("ben", None, None, None, False)] if mails else [])
    facts = await rows(house, "SELECT convert_from(value, 'UTF8')::jsonb #>> '{data,channel}' FROM facts")
    assert facts == [("task",)] * 2
    await process.settles(an_update(a_contact()))
    assert await rows(house, "SELECT count(*) FROM tasks WHERE rep = 'ana'") == [(2,)]


async def test_what_is_withdrawn_in_the_batch_that_made_it_is_sent_to_nobody(house: House) -> None:
    process, contact, now = await house.process(RUN), a_contact(), utc_now()
    await process.settles(
        an_update(contact, time=now - timedelta(seconds=9)),
        an_update(contact, "purchase.completed", time=now - timedelta(seconds=8)),
    )
    assert process.sendable == [set()]
    assert await rows(house, "SELECT state, is_first FROM deliveries") == [("cancelled", True)]
    assert await rows(house, "SELECT count(*) FROM facts") == [(0,)]


async def test_after_the_commit_the_first_new_timer_is_told_and_of_what_changes_nothing_nothing(house: House) -> None:
    steps = [{"send": {"webhook": "crm", "deadline": "30m"}}, {"wait": {"for": "5m"}}, {"send": {"webhook": "crm"}}]
    process = await house.process(ONCE | {"steps": steps}, ONCE | {"workflow": "other"})
    await process.settles(an_update(a_contact()))
    (due,) = process.due
    assert timedelta(minutes=4) < due - utc_now() <= timedelta(minutes=5)
    await process.settles(an_update(a_contact(), "engagement.recorded"))
    assert (len(process.due), len(process.sendable)) == (1, 1)


async def test_of_what_a_run_begins_with_the_first_alone_is_its_first_follow_up(house: House) -> None:
    process = await house.process(ONCE | {"steps": [{"send": {"webhook": "crm"}}, {"send": {"webhook": "other"}}]})
    await process.settles(an_update(a_contact()))
    assert await rows(house, "SELECT endpoint, is_first FROM deliveries ORDER BY endpoint") == [
        ("crm", True),
        ("other", False),
    ]
    assert process.sendable == [{"crm", "other"}]


async def test_another_process_that_was_faster_is_waited_for(house: House) -> None:
    """Two batches with copies of one update: the second finds it marked once the first has committed."""
    process, other, lead = await house.process(RUN), await house.process(RUN), an_update(a_contact())
    await process.works_off(lead)
    later = asyncio.create_task(other.works_off(lead))
    await house.blocked(later)
    await process.conn.commit()
    async with asyncio.timeout(20):
        await later
    await other.conn.commit()
    assert len(await house.runs()) == 1
    assert await rows(house, "SELECT count(*) FROM deliveries") == [(1,)]
