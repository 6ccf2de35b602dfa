"""One lock for each contact: two processes, each with its own transaction, in every order of their commits."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.channels.channel import Rep
from services.nurture.config import Endpoints
from services.nurture.runs.reassign import reassign
from services.nurture.store import erase
from shared.clock import utc_now
from shared.events.updates import ContactView
from tests.support.enrolling import ONCE, RUN, House, Process
from tests.support.nurture_service import a_contact, an_update


def a_merge(into: ContactView, *gone: ContactView) -> tuple[UUID, bytes]:
    return an_update(into, "engagement.recorded", merged=[each.id for each in gone])


async def one_after_the_other(house: House, first: Process, second: Process, *updates: tuple[UUID, bytes]) -> None:
    """The first has worked off its update and not committed when the second begins."""
    await first.works_off(updates[0])
    later = asyncio.create_task(second.works_off(updates[1]))
    await house.blocked(later)
    await first.conn.commit()
    async with asyncio.timeout(20):
        await later
    await second.conn.commit()


@pytest.mark.parametrize("merge_first", [True, False])
async def test_a_run_begins_for_a_contact_that_is_being_merged(house: House, merge_first: bool) -> None:
    survivor, gone = a_contact(), a_contact()
    one, other = await house.process(RUN), await house.process(RUN)
    updates = [a_merge(survivor, gone), an_update(gone)]
    await one_after_the_other(house, one, other, *(updates if merge_first else reversed(updates)))
    assert await house.runs() == [(survivor.id, "first-hour", "active")]
    await one.works_off(an_update(survivor, "purchase.completed"))
    await one.conn.commit()
    assert await house.runs() == [(survivor.id, "first-hour", "goal_reached")], "deaf to nothing"


async def test_one_lead_on_both_lanes_at_once_is_one_run(house: House) -> None:
    contact = a_contact()
    live, bulk = await house.process(ONCE), await house.process(ONCE)
    await one_after_the_other(house, live, bulk, an_update(contact), an_update(contact))
    assert await house.runs() == [(contact.id, "once", "completed")]


async def test_chains_of_merges_are_followed(house: House) -> None:
    first, second, third = a_contact(), a_contact(), a_contact()
    process = await house.process(RUN)
    await process.works_off(an_update(third))
    await process.works_off(a_merge(second, third))
    await process.works_off(a_merge(first, second))
    await process.conn.commit()
    assert await house.runs() == [(first.id, "first-hour", "active")]
    await process.works_off(an_update(third, "purchase.completed"))  # said under its oldest name
    await process.conn.commit()
    assert await house.runs() == [(first.id, "first-hour", "goal_reached")]


async def test_a_chain_that_another_process_makes_longer_meanwhile(house: House) -> None:
    first, second, third = a_contact(), a_contact(), a_contact()
    one, other = await house.process(RUN), await house.process(RUN)
    await one.works_off(a_merge(second, third))
    await one.conn.commit()
    await one_after_the_other(house, one, other, a_merge(first, second), an_update(third))
    assert await house.runs() == [(first.id, "first-hour", "active")]


async def test_two_processes_with_many_contacts_in_any_order_never_lock_each_other_out(house: House) -> None:
    contacts = [a_contact() for _ in range(30)]
    processes = [await house.process(ONCE) for _ in range(2)]

    async def works(process: Process, these: list[ContactView]) -> None:
        await process.works_off(*[an_update(contact) for contact in these])
        await process.conn.commit()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(works(processes[0], contacts))
        group.create_task(works(processes[1], contacts[::-1]))
    assert len(await house.runs()) == 30


@pytest.mark.parametrize("in_one_batch", [True, False])
@pytest.mark.parametrize("kind", ["purchase.completed", "contact.touched"])
async def test_what_overtook_its_lead_counts(house: House, kind: str, in_one_batch: bool) -> None:
    contact, now = a_contact(), utc_now()
    process = await house.process(RUN)
    event = an_update(contact, kind, time=now - timedelta(seconds=20))
    lead = an_update(contact, time=now - timedelta(seconds=40))
    for batch in [[event, lead]] if in_one_batch else [[event], [lead]]:
        await process.works_off(*batch)
        await process.conn.commit()
    async with house.engine.connect() as conn:
        (run,) = await conn.execute(sa.text("SELECT status, window_stopped_by FROM enrolments"))
        deliveries = (await conn.execute(sa.text("SELECT count(*) FROM deliveries"))).scalar_one()
    if kind == "purchase.completed":
        assert (tuple(run), deliveries) == (("goal_reached", "goal"), 0)
    else:
        assert (tuple(run), deliveries) == (("completed", "ana"), 1)


async def test_what_happened_before_the_lead_does_not_count(house: House) -> None:
    contact, now = a_contact(), utc_now()
    process = await house.process(RUN)
    await process.works_off(an_update(contact, "purchase.completed", time=now - timedelta(seconds=50)))
    await process.works_off(an_update(contact, time=now - timedelta(seconds=40)))
    await process.conn.commit()
    assert await house.runs() == [(contact.id, "first-hour", "active")]


async def test_what_overtook_the_lead_of_a_contact_that_was_merged_counts(house: House) -> None:
    survivor, gone, now = a_contact(), a_contact(), utc_now()
    process = await house.process(RUN)
    await process.works_off(an_update(gone, "purchase.completed", time=now - timedelta(seconds=20)))
    await process.works_off(a_merge(survivor, gone))
    await process.works_off(an_update(survivor, time=now - timedelta(seconds=40)))
    await process.conn.commit()
    assert await house.runs() == [(survivor.id, "first-hour", "goal_reached")]


async def test_the_past_of_who_was_merged_counts_for_somebody_never_heard_of(house: House) -> None:
    survivor, gone, now = a_contact(), a_contact(), utc_now()
    process = await house.process(ONCE, RUN)
    await process.works_off(an_update(gone))
    await process.works_off(an_update(gone, "purchase.completed", time=now + timedelta(seconds=1)))
    await process.works_off(an_update(survivor, merged=[gone.id], time=now + timedelta(seconds=2)))
    await process.conn.commit()
    begun = [workflow for _, workflow, _ in await house.runs()]
    assert sorted(begun) == ["first-hour", "once"], "nothing begins again: what the other one has had is theirs"


def a_parting(of: ContactView, other: ContactView) -> tuple[UUID, bytes]:
    return an_update(of, "engagement.recorded", parted=[other.id])


@pytest.mark.parametrize("batches", ["one", "each", "the other's first"])
async def test_who_was_parted_has_runs_of_their_own_again(house: House, batches: str) -> None:
    survivor, other = a_contact(), a_contact()
    process = await house.process(RUN)
    merge, parting, others = a_merge(survivor, other), a_parting(survivor, other), a_parting(other, survivor)
    order = [others, merge, parting] if batches == "the other's first" else [merge, parting, others]
    for some in [order] if batches == "one" else [[each] for each in order]:
        await process.works_off(*some)
    await process.works_off(an_update(other))
    await process.conn.commit()
    assert await house.runs() == [(other.id, "first-hour", "active")]
    await process.works_off(an_update(survivor, "purchase.completed"))
    await process.conn.commit()
    assert await house.runs() == [(other.id, "first-hour", "active")]


async def test_of_what_is_kept_a_flood_pushes_out_nothing_of_another_type(house: House) -> None:
    contact, now = a_contact(), utc_now()
    process = await house.process(RUN)
    await process.works_off(an_update(contact, "purchase.completed", time=now - timedelta(seconds=30)))
    for second in range(25):
        await process.works_off(an_update(contact, "contact.touched", time=now - timedelta(seconds=second)))
    await process.works_off(an_update(contact, "contact.touched", time=now - timedelta(days=2)))
    await process.conn.commit()
    async with house.engine.connect() as conn:
        rows = await conn.execute(sa.text("SELECT type, count(*) FROM recent_events GROUP BY type ORDER BY type"))
        assert [tuple(row) for row in rows] == [("contact.touched", 10), ("purchase.completed", 1)]


async def rows(house: House, statement: str) -> list[tuple[Any, ...]]:
    async with house.engine.connect() as conn:
        return [tuple(row) for row in await conn.execute(sa.text(statement))]


async def test_a_lead_that_starts_nothing_is_told_and_listed_with_the_reason(house: House) -> None:
    contact, now = a_contact(), utc_now()
    process = await house.process(RUN, ONCE)
    await process.works_off(an_update(contact))
    await process.works_off(*[an_update(contact, time=now - timedelta(seconds=n), message=f"{n}") for n in range(7)])
    await process.conn.commit()
    told = await rows(house, "SELECT workflow, reason, count(*) FROM refusals WHERE told GROUP BY 1, 2 ORDER BY 1")
    assert told == [("first-hour", "running", 5), ("once", "reentry", 5)], "not without bound"
    assert await rows(house, "SELECT count(*) FROM refusals WHERE NOT told") == [(4,)]
    payloads = await rows(house, "SELECT payload FROM deliveries WHERE step LIKE '%/repeated/%' AND target = 'crm'")
    assert len(payloads) == 10
    assert all(b'"type":"followup.repeated"' in payload for (payload,) in payloads)
    assert len(await house.runs()) == 2


async def test_a_lead_that_another_workflow_took_or_that_is_history_is_not_listed(house: House) -> None:
    never = ONCE | {"workflow": "never", "where": 'contact.country == "XX"'}
    young = ONCE | {"trigger": {"on": "lead.captured", "max_age": "60m"}}
    process, contact = await house.process(ONCE, never), a_contact()
    lead = an_update(contact)
    await process.works_off(lead)
    await process.works_off(lead)  # the same again
    other = await house.process(young, never)
    old = an_update(a_contact(), time=utc_now() - timedelta(days=90))
    await process.conn.commit()
    await other.settles(old, topic="bulk")
    assert await rows(house, "SELECT workflow, reason, told FROM refusals") == [("never", "where", False)]
    await other.works_off(an_update(a_contact(), time=utc_now() - timedelta(days=90)))
    await other.conn.commit()
    assert (await rows(house, "SELECT workflow, reason, told FROM refusals WHERE reason = 'late'")) == [
        ("once", "late", False)
    ]


async def test_whoever_has_the_open_task_gets_what_the_lead_said_next(house: House) -> None:
    call = RUN | {
        "steps": [{"send": {"task": "call", "assign": {"round_robin": ["ana", "ben"]}}}, {"wait": {"for": "1h"}}]
    }
    contact = a_contact()
    process = await house.process(call)
    process.handler._endpoints = Endpoints(
        {"task": {name: Rep(name, f"{name}@example.org") for name in ("ana", "ben")}}
    )
    await process.works_off(an_update(a_contact()), an_update(contact))
    await process.works_off(an_update(contact, message="it is urgent"))
    await process.conn.commit()
    tasks = await rows(
        house,
        f"SELECT rep, name FROM tasks JOIN enrolments e ON e.id = enrolment_id WHERE e.contact_id = '{contact.id}'",
    )
    assert tasks == [("ben", "call"), ("ben", "call")]


async def test_a_removed_rep_s_tasks_go_to_the_others(house: House) -> None:
    call = RUN | {"steps": [{"send": {"task": "call", "assign": {"round_robin": ["ana", "ben"]}}}]}
    process = await house.process(call)
    process.handler._endpoints = Endpoints(
        {"task": {name: Rep(name, f"{name}@example.org") for name in ("ana", "ben")}}
    )
    await process.works_off(*[an_update(a_contact()) for _ in range(4)])
    await reassign(process.conn, process.versions, {"ana", "ben"})
    assert await _reps(process.conn) == ["ana", "ana", "ben", "ben"]
    await reassign(process.conn, process.versions, {"ben", "cem"})
    assert await _reps(process.conn) == ["ben"] * 4
    process.handler._endpoints = Endpoints({"task": {"ana": Rep("ana", "ana@example.org")}})
    await process.works_off(an_update(a_contact()))
    assert await _reps(process.conn) == ["ana", *["ben"] * 4], "new ones go to who is there"
    await reassign(process.conn, process.versions, set())
    assert await _reps(process.conn) == [None] * 5, "to be seen by everybody"


async def _reps(conn: AsyncConnection) -> list[str | None]:
    return [row[0] for row in await conn.execute(sa.text("SELECT rep FROM tasks ORDER BY rep"))]


async def test_an_update_about_somebody_who_was_erased_starts_nothing(house: House) -> None:
    contact, other = a_contact(), a_contact()
    process = await house.process(RUN)
    await process.works_off(an_update(contact))
    await process.conn.commit()
    async with house.engine.begin() as conn:
        await conn.execute(sa.text("UPDATE deliveries SET state = 'claimed', lease_token = :token, leased_by = 'x', "
                                   "lease_until = now() + interval '1 minute', claimed_at = now()"),
                           {"token": contact.id})  # fmt: skip
        assert await erase.withdraw(conn, [contact.id]) == 1, "one is being sent"
    async with house.engine.begin() as conn:
        await erase.erase(conn, [contact.id], [], {})
        assert await erase.withdraw(conn, [contact.id]) == 0
    await process.works_off(an_update(contact), an_update(other), a_merge(other, contact))
    await process.conn.commit()
    assert await house.runs() == [(other.id, "first-hour", "active")]
