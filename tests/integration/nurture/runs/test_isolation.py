"""One row that raises costs itself alone; the database tells the fault from the row."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from services.nurture.runs.isolation import Done, reason_of, work_off
from services.nurture.store import enrolments
from shared.db.transient import is_transient
from tests.support.nurture_service import ONE_WEBHOOK, Nurture, a_contact, a_nurture, endpoints
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver

WAITS = """
workflow: waits
trigger: {on: lead.captured}
window: {length: 60m, stops_on: human_touch}
steps:
  - wait: {for: 30m}
  - send: {webhook: crm}
"""
TASK = """
workflow: task
trigger: {on: lead.captured}
steps:
  - send: {task: call, deadline: 30m, fallback: {webhook: crm}}
"""
LATE = """
workflow: late
trigger: {on: lead.captured}
steps:
  - send: {webhook: nobody, deadline: 30m, fallback: {webhook: crm}}
"""


@pytest.fixture
async def nurture(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Nurture]:
    async with a_nurture(kafka, database, topic_prefix, tmp_path) as nurture:
        yield nurture


async def _count(nurture: Nurture, table: str, where: str, count: int) -> bool:
    return bool(await nurture.one(f"SELECT count(*) FROM {table} WHERE {where}") == count)


async def test_a_run_that_cannot_be_read_is_parked_and_its_neighbours_go_on(
    nurture: Nurture, receiver: Receiver
) -> None:
    nurture.configure(endpoints({"crm": receiver.url("/crm")}), WAITS)
    contacts = [a_contact() for _ in range(7)]
    async with nurture.running():
        for contact in contacts:
            await nurture.feed(contact)
        await until(lambda: _count(nurture, "enrolments", "status = 'active'", 7))
        bad = contacts[3].id
        document = await nurture.one("SELECT document FROM enrolments WHERE contact_id = :id", id=bad)
        await nurture.execute(
            "UPDATE enrolments SET document = '{}', due_at = now() + interval '1 s' WHERE contact_id = :id", id=bad
        )
        await nurture.make_due()
        await until(lambda: _count(nurture, "enrolments", "status = 'completed'", 6))
        await until(lambda: _count(nurture, "enrolments", "parked_reason IS NOT NULL", 1))
        (parked,) = await nurture.get("/v1/enrolments", parked="true")
        assert parked["contact_id"] == str(bad)
        assert "ValidationError" in parked["parked_reason"]
        assert len(await nurture.get("/v1/enrolments", parked="false")) == 6
        await until(lambda: _shown(nurture, 'firsthour_nurture_parked{kind="enrolments"} 1.0'), 15)
        await nurture.feed(contacts[3], "contact.touched")  # nor does it stop what comes after it
        await nurture.feed(contacts[2], "contact.touched")
        await until(lambda: _count(nurture, "enrolments", "window_stopped_by = 'ana'", 1))
        assert (await nurture.request("GET", "/readyz")).status_code == 200
        await nurture.execute("UPDATE enrolments SET document = :d WHERE contact_id = :id", d=document, id=bad)
        await nurture.make_due()
    async with nurture.running():  # a new start takes it up again
        await until(lambda: _count(nurture, "enrolments", "status = 'completed' AND parked_reason IS NULL", 7))


async def _shown(nurture: Nurture, line: str) -> bool:
    return line in (await nurture.request("GET", "/metrics")).text


@pytest.mark.parametrize(("workflow", "table"), [(TASK, "tasks"), (LATE, "deliveries")])
async def test_a_fallback_that_cannot_be_made_costs_its_own_row_alone(
    nurture: Nurture, receiver: Receiver, workflow: str, table: str
) -> None:
    text = endpoints({"crm": receiver.url("/crm"), "nobody": "http://127.0.0.1:9/"})
    nurture.configure(text, workflow)
    contacts = [a_contact(email=None) for _ in range(5)]
    async with nurture.running():
        for contact in contacts:
            await nurture.feed(contact)
        await until(lambda: _count(nurture, table, "true", 5))
        await until(lambda: _count(nurture, table, "state IN ('open', 'pending')", 5))
        bad: UUID = await nurture.one(f"SELECT id FROM {table} ORDER BY id OFFSET 2 LIMIT 1")
        await nurture.execute(f"UPDATE {table} SET payload = 'x' WHERE id = :id", id=bad)
        await nurture.execute(f"UPDATE {table} SET expires_at = now()")
        await receiver.wait_for(4)
        await until(lambda: _count(nurture, table, "state = 'expired'", 4))
        if table == "tasks":
            assert await _count(nurture, table, "state = 'open' AND parked_reason LIKE 'DecodeError%'", 1)
        else:
            (parked,) = await nurture.get("/v1/deliveries", state="parked")
            assert parked["id"] == str(bad)
            assert parked["reason"].startswith("DecodeError")
    assert len(receiver.received) == 4


async def test_a_version_that_cannot_be_read_parks_its_runs_and_still_takes_a_human_touch(
    nurture: Nurture, receiver: Receiver
) -> None:
    nurture.configure(endpoints({"crm": receiver.url("/crm")}), WAITS, ONE_WEBHOOK)
    contact, other = a_contact(), a_contact()
    async with nurture.running():
        for each in (contact, other):
            await nurture.feed(each)
        await until(lambda: _count(nurture, "enrolments", "status = 'active'", 2))
        await until(lambda: _count(nurture, "enrolments", "status = 'completed'", 2))
    await nurture.execute("UPDATE workflow_versions SET source = '{\"steps\": 7}'")
    await nurture.make_due()
    (nurture.folder / "config" / "workflows" / "w1.yaml").unlink()
    (nurture.folder / "config" / "workflows" / "w0.yaml").write_text(WAITS.replace("30m", "31m"))
    async with nurture.running():
        await until(lambda: _count(nurture, "enrolments", "parked_reason LIKE 'its version%'", 2))
        await nurture.feed(contact, "contact.touched")
        await until(lambda: _count(nurture, "enrolments", "window_stopped_by = 'ana'", 2))
        assert await _count(nurture, "enrolments", "parked_reason IS NOT NULL", 2)
        await nurture.feed(a_contact())
        await until(lambda: _count(nurture, "enrolments", "status = 'active' AND parked_reason IS NULL", 1))


async def test_the_database_being_away_is_no_row_s_fault(nurture: Nurture) -> None:
    parked: list[UUID] = []

    class Row:
        id = UUID(int=1)

    async def do(conn: object, _rows: object) -> Done:
        async with nurture.engine.connect() as other:
            await other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        await conn.execute(sa.text("SELECT 1"))  # type: ignore[attr-defined]
        return Done()

    async def park(_conn: object, reasons: object) -> None:
        parked.extend(reasons)  # type: ignore[arg-type]

    conn = await nurture.engine.connect()
    pid = (await conn.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
    with pytest.raises(DBAPIError) as caught:
        await work_off(conn, "rows", [Row()], do, park)
    assert is_transient(caught.value)
    assert parked == []
    await conn.close()


async def test_of_a_statement_that_fails_its_store_is_named(nurture: Nurture) -> None:
    async with nurture.engine.connect() as conn:
        with pytest.raises(asyncpg.DataError) as caught:
            await enrolments.lock_listening(conn, ["nobody's id"])  # type: ignore[list-item]
        await conn.rollback()
    assert "DataError in services.nurture.store.enrolments.lock_listening" in reason_of(caught.value)
