"""Enrolments that begin and move: nothing comes of one that another process was faster with."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec import structs

from services.nurture.domain.enrolment import Enrolment
from services.nurture.runs.changes import Changes
from services.nurture.runs.writing import Written, write
from services.nurture.store import enrolments
from services.nurture.store.enrolments import Version
from shared.clock import new_id, utc_now
from shared.events.updates import ContactView
from tests.support.deliveries import FACTS, NOBODY, Rows, rows_of
from tests.unit.nurture.builders import a_contact, a_workflow, an_update, begun

WORKFLOW = a_workflow({"send": {"webhook": "crm"}}, {"wait": {"for": "30m"}}, goal=None, quiet_hours=None)


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        async with rows.engine.begin() as conn:
            version = Version(WORKFLOW.name, WORKFLOW.version, WORKFLOW.source)
            await enrolments.keep_versions(conn, [version])
        yield rows


async def begins(rows: Rows, *contacts: ContactView) -> tuple[Changes, Written]:
    """What a process makes of a lead of each, without having seen what others made of another one."""
    changes, now = Changes(), utc_now()
    for contact in contacts:
        update = an_update(name=new_id(), time=now - timedelta(seconds=1), contact=contact)
        changes.begin(begun(WORKFLOW, update, now=now))
    async with rows.engine.begin() as conn:
        return changes, await write(conn, changes, endpoints=NOBODY, facts=FACTS, now=now)


async def counts(rows: Rows) -> tuple[int, ...]:
    return tuple([await rows.one(f"SELECT count(*) FROM {table}") for table in ("enrolments", "deliveries", "facts")])


async def test_of_a_run_that_another_process_has_begun_nothing_is_sent_or_said(rows: Rows) -> None:
    ada, ben = a_contact(id=new_id()), a_contact(id=new_id())
    _, written = await begins(rows, ada)
    assert (len(written.begun), written.endpoints, await counts(rows)) == (1, {"crm"}, (1, 1, 1))
    changes, written = await begins(rows, ada, ben)
    (bens,) = (run.id for run in changes.enrolled.values() if run.contact_id == ben.id)
    assert (written.begun, await counts(rows)) == ({bens}, (2, 2, 2))


async def test_a_run_may_move_to_a_contact_whose_own_ends_in_that_moment(rows: Rows) -> None:
    ada, ben = a_contact(id=new_id()), a_contact(id=new_id())
    changes, _ = await begins(rows, ada, ben)
    of: dict[UUID, Enrolment] = {run.contact_id: run for run in changes.enrolled.values()}
    moved = structs.replace(of[ada.id], contact_id=ben.id)
    ended = structs.replace(
        of[ben.id], status="exited", ended_at=utc_now(), ended_because="merged", waiting=None, position=None
    )
    for order in ([moved, ended], [ended, moved]):
        async with rows.engine.connect() as conn:  # and rolled back
            await enrolments.update_enrolments(conn, order)
            found = await enrolments.read(conn, [moved.id, ended.id])
            assert {each.contact_id: each.status for each in found.values() if each.id == moved.id} == {
                ben.id: "active"
            }
            listening = await enrolments.lock_listening(conn, [ben.id])
            assert moved.id in {each.id for each in listening}
