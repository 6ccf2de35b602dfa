"""What each token sees of deliveries, what it may do, and who did it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared import tokens
from shared.clock import utc_now
from tests.support.nurture_service import ONE_WEBHOOK, Nurture, a_contact, a_nurture, endpoints
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver, status

TASK = """
workflow: call
trigger: {on: lead.captured}
goal: {on: purchase.completed}
steps:
  - send: {task: call-now, assign: {round_robin: [ana]}}
  - wait: {for: 1h}
"""


@pytest.fixture
async def nurture(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path, receiver: Receiver
) -> AsyncIterator[Nurture]:
    async with a_nurture(kafka, database, topic_prefix, tmp_path) as nurture:
        nurture.configure(endpoints({"crm": receiver.url("/crm")}), ONE_WEBHOOK, TASK)
        yield nurture


def with_token(nurture: Nurture, scope: tokens.Scope, *, pii: bool = False) -> dict[str, str]:
    path = nurture.folder / "state" / tokens.TOKENS_FILE
    return {"Authorization": f"Bearer {tokens.create(path, f'the {scope}', scope, pii=pii, now=utc_now())}"}


async def counted(nurture: Nurture, table: str, where: str, count: int = 1) -> bool:
    return bool(await nurture.one(f"SELECT count(*) FROM {table} WHERE {where}") == count)


async def test_what_a_receiver_answered_and_a_rep_noted_is_for_tokens_that_see_people(
    nurture: Nurture, receiver: Receiver
) -> None:
    receiver.answers([status(410, body=b"ada@example.com has left")])
    async with nurture.running():
        await nurture.feed(a_contact())
        await until(lambda: counted(nurture, "deliveries", "state = 'failed'"))
        await nurture.execute("UPDATE deliveries SET reason = 'no ada@example.com here'")
        await nurture.execute("UPDATE attempts SET reason = 'no ada@example.com here'")
        (delivery,) = await nurture.get("/v1/deliveries")
        (task,) = await nurture.get("/v1/tasks")
        await nurture.request("POST", f"/v1/tasks/{task['id']}/done", json={"who": "ana", "note": "her dog is ill"})
        paths = ("/v1/deliveries", f"/v1/deliveries/{delivery['id']}/attempts", "/v1/tasks")
        for headers, sees in ((with_token(nurture, "read"), False), (with_token(nurture, "read", pii=True), True)):
            shown = [(await nurture.request("GET", path, headers=headers)).text for path in paths]
            assert ["ada@" in each or "her dog" in each for each in shown] == [sees] * 3
        may = with_token(nurture, "operate")
        again = await nurture.request("POST", f"/v1/tasks/{task['id']}/done", json={"who": "ana"}, headers=may)
        assert (again.status_code, "her dog" in again.text) == (200, False)


async def test_who_only_reads_sends_nothing_again_and_who_may_is_named(nurture: Nurture, receiver: Receiver) -> None:
    receiver.answers([status(410)])
    reads, operates = with_token(nurture, "read", pii=True), with_token(nurture, "operate")
    async with nurture.running():

        async def post(path: str, headers: dict[str, str]) -> Any:
            return await nurture.request("POST", f"/v1/{path}", headers=headers)

        await nurture.feed(a_contact())
        await until(lambda: counted(nurture, "deliveries", "state = 'failed'"))
        (delivery,) = await nurture.get("/v1/deliveries")
        replay, enable = f"deliveries/{delivery['id']}/replay", "endpoints/crm/enable"
        assert [(await post(path, reads)).status_code for path in (replay, enable)] == [403, 403]
        assert await counted(nurture, "deliveries", "state = 'failed'")
        assert [(await post(replay, operates)).status_code for _ in range(2)] == [200, 409], "then it is under way"
        assert (await post(enable, operates)).status_code == 200
        await receiver.wait_for(2)
        noted = await nurture.rows("SELECT token, action, contact_id FROM audit ORDER BY id")
        assert [(row["token"], row["action"]) for row in noted] == [
            ("the operate", "delivery replayed"), ("the operate", "endpoint enabled"),
        ]  # fmt: skip
        assert str(noted[0]["contact_id"]) == delivery["contact_id"]


async def test_a_task_that_was_cancelled_is_not_done(nurture: Nurture) -> None:
    contact = a_contact()
    async with nurture.running():
        await nurture.feed(contact)
        await until(lambda: counted(nurture, "tasks", "state = 'open'"))
        await nurture.feed(contact, "purchase.completed")
        await until(lambda: counted(nurture, "tasks", "state = 'cancelled'"))
        (task,) = await nurture.get("/v1/tasks")
        done = await nurture.request("POST", f"/v1/tasks/{task['id']}/done", json={"who": "ana"})
        assert done.status_code == 409
        assert await counted(nurture, "audit", "true", 0)


async def test_lists_hold_what_they_are_asked_for(nurture: Nurture) -> None:
    contact = a_contact()
    async with nurture.running():
        for each in (contact, contact, a_contact()):
            await nurture.feed(each)
        await until(lambda: counted(nurture, "seen_updates", "true", 3))
        await until(lambda: counted(nurture, "deliveries", "state <> 'delivered'", 0))
        await nurture.execute(
            "UPDATE enrolments SET parked_reason = 'a fault' WHERE contact_id = :id AND status = 'active'",
            id=contact.id,
        )
        (run, *_) = await nurture.get("/v1/enrolments", contact=str(contact.id), workflow="first-hour")
        asking = {
            "enrolments": {"contact_id": str(contact.id), "workflow": "call", "status": "active"},
            "deliveries": {
                "contact_id": str(contact.id),
                "enrolment_id": run["id"],
                "endpoint": "crm",
                "state": "failed",
            },
            "refusals": {"contact_id": str(contact.id), "workflow": "call", "reason": "late"},
            "tasks": {"contact_id": str(contact.id), "rep": "ana", "state": "done"},
        }
        for path, columns in asking.items():
            everything = await nurture.get(f"/v1/{path}")
            assert everything, path
            for column, value in columns.items():
                asked = await nurture.get(f"/v1/{path}", **{column.removesuffix("_id"): value})
                wanted = [each["id"] for each in everything if each[column] == value]
                assert [each["id"] for each in asked] == wanted, (path, column)
        everything = await nurture.get("/v1/enrolments")
        assert {each["parked_reason"] for each in everything} == {"a fault", None}
        for parked in (True, False):
            wanted = [each["id"] for each in everything if (each["parked_reason"] is not None) == parked]
            assert [each["id"] for each in await nurture.get("/v1/enrolments", parked=parked)] == wanted
        assert await nurture.get("/v1/deliveries", endpoint="elsewhere") == []
