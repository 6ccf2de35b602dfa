"""From an update on Kafka to a signed webhook, and everything that may go wrong on the way."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from standardwebhooks import Webhook

from shared.clock import utc_now
from shared.events.envelope import Decoded, decode
from shared.runtime.deadlines import LEASE_S
from tests.support.nurture_service import ONE_WEBHOOK, SECRET, Nurture, a_contact, a_nurture, an_update, endpoints
from tests.support.waiting import until
from tests.support.webhook_receiver import HALF, RESET, Behave, Receiver, status


@pytest.fixture
async def nurture(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path, receiver: Receiver
) -> AsyncIterator[Nurture]:
    async with a_nurture(kafka, database, topic_prefix, tmp_path) as nurture:
        nurture.configure(endpoints({"crm": receiver.url("/crm")}), ONE_WEBHOOK)
        yield nurture


async def published(nurture: Nurture, count: int) -> list[Decoded]:
    """The first facts on the topic of events."""
    consumer = AIOKafkaConsumer(
        nurture.topics.events,
        nurture.topics.events_bulk,
        bootstrap_servers=nurture.kafka,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    try:
        found: list[Decoded] = []
        async with asyncio.timeout(15):
            while len(found) < count:
                found += [decode(r.value) for rs in (await consumer.getmany(timeout_ms=200)).values() for r in rs]
        return found
    finally:
        await consumer.stop()


async def test_one_lead_is_one_signed_webhook(nurture: Nurture, receiver: Receiver) -> None:
    contact = a_contact()
    async with nurture.running():
        event_id = await nurture.feed(contact)
        (request,) = await receiver.wait_for(1)
        payload: Any = Webhook(SECRET).verify(request.body.decode(), request.headers)
        assert payload["data"]["contact"]["email"] == "ada@example.com"
        assert payload["data"]["event"]["id"] == str(event_id)
        assert request.headers["content-type"] == "application/json"
        (delivery,) = await nurture.get("/v1/deliveries", contact=str(contact.id))
        assert delivery["id"] == request.headers["webhook-id"]
        await until(lambda: _state(nurture, "delivered"))
        (attempt,) = await nurture.get(f"/v1/deliveries/{delivery['id']}/attempts")
        assert (attempt["outcome"], attempt["status"], attempt["excerpt"]) == ("delivered", 200, "ok")
        facts = await published(nurture, 2)
        assert [fact.event.type for fact in facts] == ["followup.scheduled", "followup.sent"]
        assert {fact.data.identity.contact_id for fact in facts} == {contact.id}
        assert {str(fact.data.delivery) for fact in facts} == {delivery["id"]}
        await until(lambda: _none_left(nurture))
    assert len(receiver.received) == 1


async def _state(nurture: Nurture, state: str, count: int = 1) -> bool:
    return bool(await nurture.one("SELECT count(*) FROM deliveries WHERE state = :state", state=state) == count)


async def _none_left(nurture: Nurture) -> bool:
    return bool(await nurture.one("SELECT count(*) FROM facts") == 0)


async def test_the_same_update_twice_and_two_triggers_at_once_are_one_run(nurture: Nurture, receiver: Receiver) -> None:
    contact = a_contact()
    first, again = an_update(contact), an_update(contact)
    async with nurture.running():
        await nurture.publish((contact, first[1]), (contact, first[1]), (contact, again[1]))
        await nurture.publish((contact, first[1]), bulk=True)
        marker = a_contact()
        await nurture.feed(marker)
        await receiver.wait_for(3)
        await until(lambda: _consumed(nurture, 5))
        assert await nurture.one("SELECT count(*) FROM enrolments WHERE contact_id = :c", c=contact.id) == 1
        # The second lead begins nothing, and reaches somebody all the same.
        assert len(await nurture.get("/v1/deliveries", contact=str(contact.id))) == 2
    types = sorted(msgspec.json.decode(request.body)["type"] for request in receiver.received)
    assert types == ["followup.repeated", "followup.requested", "followup.requested"]


async def _consumed(nurture: Nurture, count: int) -> bool:
    return bool(await nurture.one("SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets") == count)


async def test_two_processes_meet_at_one_contact(nurture: Nurture, receiver: Receiver) -> None:
    contact = a_contact()
    one, two = an_update(contact), an_update(contact)
    async with nurture.running("one"), nurture.running("two"):
        await until(lambda: _adopted(nurture))
        await nurture.publish((contact, one[1]))
        await nurture.publish((contact, two[1]), bulk=True)
        await until(lambda: _consumed(nurture, 2))
        await receiver.wait_for(2)
        assert await nurture.one("SELECT count(*) FROM enrolments") == 1
        # One follow-up, and word of the lead that came twice.
        assert await nurture.one("SELECT count(*) FROM deliveries") == 2


async def _adopted(nurture: Nurture) -> bool:
    return bool(await nurture.one("SELECT count(*) FROM consumer_offsets") == 4)


async def test_a_retry_keeps_its_id_and_is_signed_anew(nurture: Nurture, receiver: Receiver) -> None:
    receiver.answers([status(500, body=b"no\x00pe")])
    async with nurture.running():
        await nurture.feed(a_contact())
        await receiver.wait_for(1)
        await until(lambda: _state(nurture, "pending"))
        await nurture.execute("UPDATE deliveries SET due_at = now()")
        first, second = await receiver.wait_for(2)
        for request in (first, second):
            Webhook(SECRET).verify(request.body.decode(), request.headers)
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        await until(lambda: _state(nurture, "delivered"))
        found = await nurture.get(f"/v1/deliveries/{first.headers['webhook-id']}/attempts")
        assert [(a["number"], a["outcome"], a["status"]) for a in found] == [(1, "retry", 500), (2, "delivered", 200)]


@pytest.mark.parametrize("behaviour", [RESET, HALF])
async def test_an_answer_that_broke_off_is_unknown_and_tried_again(
    nurture: Nurture, receiver: Receiver, behaviour: Behave
) -> None:
    receiver.answers([behaviour])
    async with nurture.running():
        await nurture.feed(a_contact())
        await receiver.wait_for(1)
        await until(lambda: _state(nurture, "pending"))
        assert await nurture.one("SELECT outcome FROM attempts") == "unknown"
        assert await nurture.one("SELECT due_at > now() + interval '3 s' FROM deliveries")
        await nurture.execute("UPDATE deliveries SET due_at = now()")
        await receiver.wait_for(2)


async def test_429_slows_the_whole_endpoint_down(nurture: Nurture, receiver: Receiver) -> None:
    receiver.answers([status(429, "retry-after: 600")])
    async with nurture.running():
        await nurture.feed(a_contact())
        await receiver.wait_for(1)
        await until(lambda: _slowed(nurture))
        await nurture.feed(a_contact())
        await until(lambda: _state(nurture, "pending", 2))
        (crm,) = await nurture.get("/v1/endpoints")
        assert crm["slowed_until"] > (utc_now() + timedelta(seconds=500)).isoformat()
        assert crm["pending"] == 2
        assert (await nurture.request("POST", "/v1/endpoints/crm/enable")).status_code == 200
        await receiver.wait_for(2)


async def _slowed(nurture: Nurture) -> bool:
    return bool(await nurture.rows("SELECT 1 FROM endpoint_state WHERE slowed_until > now()"))


async def test_410_disables_the_endpoint_until_a_person_enables_it(nurture: Nurture, receiver: Receiver) -> None:
    receiver.answers([status(410)])
    async with nurture.running():
        await nurture.feed(a_contact())
        await until(lambda: _state(nurture, "failed"))
        await nurture.feed(a_contact())
        await until(lambda: _state(nurture, "pending"))
        (crm,) = await nurture.get("/v1/endpoints")
        assert crm["disabled_at"]
        assert "410" in crm["disabled_because"]
        assert len(receiver.received) == 1
        assert (await nurture.request("POST", "/v1/endpoints/nobody/enable")).status_code == 404
        enabled = await nurture.request("POST", "/v1/endpoints/crm/enable")
        assert enabled.json()["disabled_at"] is None
        await receiver.wait_for(2)
        await until(lambda: _state(nurture, "delivered"))


async def test_a_replay_sends_once_more_under_the_same_id(nurture: Nurture, receiver: Receiver) -> None:
    receiver.answers([status(410)])
    async with nurture.running():
        await nurture.feed(a_contact())
        await until(lambda: _state(nurture, "failed"))
        await nurture.request("POST", "/v1/endpoints/crm/enable")
        identifier = receiver.received[0].headers["webhook-id"]
        assert (await nurture.request("POST", f"/v1/deliveries/{identifier}/replay")).status_code == 200
        _, second = await receiver.wait_for(2)
        assert second.headers["webhook-id"] == identifier
        await until(lambda: _state(nurture, "delivered"))
        unknown = "00000000-0000-7000-8000-000000000000"
        assert (await nurture.request("POST", f"/v1/deliveries/{unknown}/replay")).status_code == 404
        noted = [(row["action"], row["subject"]) for row in await nurture.rows("SELECT * FROM audit ORDER BY id")]
        assert noted == [("endpoint enabled", "crm"), ("delivery replayed", identifier)]


async def test_a_dead_endpoint_delays_nobody_else(nurture: Nurture, receiver: Receiver) -> None:
    both = ONE_WEBHOOK + "  - send: {webhook: slow}\n  - send: {webhook: closed}\n"
    hooks = {"crm": receiver.url("/crm"), "slow": receiver.url("/slow"), "closed": "http://127.0.0.1:9/"}
    nurture.configure(endpoints(hooks, concurrency=2), both)
    let_go = asyncio.Event()
    receiver.behave = lambda request: Behave(when=let_go) if request.path == "/slow" else Behave()
    async with nurture.running():
        started = asyncio.get_running_loop().time()
        await nurture.publish(*[(c := a_contact(), an_update(c)[1]) for _ in range(50)])
        await receiver.wait_for(50, path="/crm")
        assert asyncio.get_running_loop().time() - started < 12
        await until(lambda: len([r for r in receiver.received if r.path == "/slow"]) == 2)
        # The closed one is broken by now: its other deliveries have not used up a try.
        await until(lambda: _few_tries(nurture))
        let_go.set()  # a stop waits for what is under way


async def _few_tries(nurture: Nurture) -> bool:
    tried = await nurture.one("SELECT count(*) FROM deliveries WHERE endpoint = 'closed' AND attempts > 0")
    return bool(5 <= tried < 20)


async def test_the_fallback_goes_before_the_deadline_passes(nurture: Nurture, receiver: Receiver) -> None:
    workflow = ONE_WEBHOOK.replace("{webhook: crm}", "{webhook: crm, deadline: 5s, fallback: {webhook: other}}")
    nurture.configure(endpoints({"crm": receiver.url("/crm"), "other": receiver.url("/other")}), workflow)
    receiver.behave = lambda request: status(503) if request.path == "/crm" else Behave()
    async with nurture.running():
        started = asyncio.get_running_loop().time()
        await nurture.feed(a_contact())
        (request,) = await receiver.wait_for(1, path="/other")
        assert request.at - started < 5
        payload: Any = Webhook(SECRET).verify(request.body.decode(), request.headers)
        assert payload["type"] == "followup.fallback"
        assert payload["data"]["instead_of"]["target"] == "crm"
        await until(lambda: _state(nurture, "delivered"))
        assert await nurture.one("SELECT state FROM deliveries WHERE endpoint = 'crm'") == "expired"


async def test_a_disabled_endpoint_s_deliveries_end_in_their_fallback(nurture: Nurture, receiver: Receiver) -> None:
    workflow = ONE_WEBHOOK.replace("{webhook: crm}", "{webhook: crm, deadline: 60m, fallback: {webhook: other}}")
    nurture.configure(endpoints({"crm": receiver.url("/crm"), "other": receiver.url("/other")}), workflow)
    await nurture.execute("INSERT INTO endpoint_state VALUES ('crm', now(), 'a test')")
    async with nurture.running():
        await nurture.feed(a_contact())
        await until(lambda: _state(nurture, "pending"))
        await nurture.execute("UPDATE deliveries SET expires_at = now()")
        await receiver.wait_for(1, path="/other")
        assert await nurture.one("SELECT state FROM deliveries WHERE endpoint = 'crm'") == "expired"
        facts = await published(nurture, 3)
        assert "followup.expired" in [fact.event.type for fact in facts]


async def test_an_endpoint_that_is_not_configured_any_more_fails_with_the_reason(
    nurture: Nurture, receiver: Receiver
) -> None:
    async with nurture.running():
        await nurture.feed(a_contact())
        await until(lambda: _state(nurture, "delivered"))
        await nurture.execute(
            "UPDATE deliveries SET endpoint = 'gone', target = 'gone', state = 'pending', finished_at = NULL"
        )
    async with nurture.running():
        await until(lambda: _state(nurture, "failed"))
        assert "names no such endpoint" in await nurture.one("SELECT reason FROM deliveries")
    assert len(receiver.received) == 1


async def test_killed_between_claim_and_record_it_is_sent_again_with_the_same_id(
    nurture: Nurture, receiver: Receiver
) -> None:
    async with nurture.running():
        await nurture.feed(a_contact())
        await until(lambda: _state(nurture, "delivered"))
    # As a kill -9 leaves it: claimed, sent, nothing recorded.
    await nurture.execute(
        "UPDATE deliveries SET state = 'claimed', finished_at = NULL, lease_token = gen_random_uuid(), began_at = now(),"
        " leased_by = 'nurture-one-8082', lease_until = now() + interval '30 s', claimed_at = now()"
    )
    async with nurture.running("one"):
        await until(lambda: _state(nurture, "pending"))
        assert await nurture.one("SELECT outcome FROM attempts WHERE number = 2") == "unknown"
        await nurture.execute("UPDATE deliveries SET due_at = now()")
        first, second = await receiver.wait_for(2)
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        await until(lambda: _state(nurture, "delivered"))


async def test_the_lease_of_another_instance_is_left_until_it_ends(nurture: Nurture, receiver: Receiver) -> None:
    async with nurture.running():
        await nurture.feed(a_contact())
        await until(lambda: _state(nurture, "delivered"))
    await nurture.execute(
        "UPDATE deliveries SET state = 'claimed', finished_at = NULL, lease_token = gen_random_uuid(), began_at = now(),"
        " leased_by = 'other', lease_until = now() + interval '1 h', claimed_at = now()"
    )
    async with nurture.running("one"):
        await nurture.feed(a_contact())
        await receiver.wait_for(2)
        assert await nurture.one("SELECT state FROM deliveries WHERE leased_by = 'other'") == "claimed"
        await nurture.execute("UPDATE deliveries SET lease_until = now() WHERE leased_by = 'other'")
        await until(lambda: _state(nurture, "pending"), LEASE_S + 15)  # no lease is over while the database is young


async def test_the_purchase_cancels_what_is_not_sent_yet(nurture: Nurture, receiver: Receiver) -> None:
    workflow = ONE_WEBHOOK + "  - wait: {for: 30m}\n  - send: {webhook: crm}\n"
    nurture.configure(endpoints({"crm": receiver.url("/crm")}), workflow)
    receiver.answers([status(500)])
    contact = a_contact()
    async with nurture.running():
        await nurture.feed(contact)
        await receiver.wait_for(1)
        await until(lambda: _state(nurture, "pending"))
        await nurture.feed(contact, "purchase.completed")
        await until(lambda: _state(nurture, "cancelled"))
        (run,) = await nurture.get("/v1/enrolments", contact=str(contact.id))
        assert (run["status"], run["window"]["stopped_by"]) == ("goal_reached", "goal")
        assert await nurture.get("/v1/windows", contact=str(contact.id)) == []
        (window,) = await nurture.get("/v1/windows", contact=str(contact.id), state="stopped")
        assert window["missed"] is False


async def test_a_wait_ends_in_time_and_goes_on(nurture: Nurture, receiver: Receiver) -> None:
    workflow = ONE_WEBHOOK + "  - wait: {for: 1s}\n  - send: {webhook: crm, deadline: 1m}\n"
    nurture.configure(endpoints({"crm": receiver.url("/crm")}), workflow)
    async with nurture.running():
        await nurture.feed(a_contact())
        first, second = await receiver.wait_for(2)
        assert 0.8 < second.at - first.at < 3
        assert first.headers["webhook-id"] != second.headers["webhook-id"]
        await until(lambda: _ended(nurture))


async def _ended(nurture: Nurture) -> bool:
    return bool(await nurture.one("SELECT status FROM enrolments") == "completed")


async def test_a_run_keeps_the_version_that_it_started_with(nurture: Nurture, receiver: Receiver) -> None:
    nurture.configure(
        endpoints({"crm": receiver.url("/crm"), "new": receiver.url("/new")}),
        ONE_WEBHOOK + "  - wait: {for: 30m}\n  - send: {webhook: crm}\n",
    )
    async with nurture.running():
        await nurture.feed(a_contact())
        await receiver.wait_for(1)
    nurture.configure(
        endpoints({"crm": receiver.url("/crm"), "new": receiver.url("/new")}),
        ONE_WEBHOOK.replace("webhook: crm", "webhook: new"),
    )
    async with nurture.running():
        # Its wait is over: what the document says is moved into the past with the row.
        await nurture.execute(
            "UPDATE enrolments SET due_at = now(), document = convert_to(regexp_replace("
            'convert_from(document, \'UTF8\'), \'"until":"[^"]*"\', \'"until":"2020-01-01T00:00:00Z"\'), \'UTF8\')'
        )
        await receiver.wait_for(2, path="/crm")
        await nurture.feed(a_contact())
        await receiver.wait_for(1, path="/new")


async def test_what_cannot_be_read_is_dead_lettered_and_the_rest_goes_on(nurture: Nurture, receiver: Receiver) -> None:
    contact = a_contact()
    async with nurture.running():
        await nurture.publish((contact, b"{}"), (contact, b"\xff"), (contact, an_update(contact)[1]))
        await receiver.wait_for(1)
        await until(lambda: _consumed(nurture, 3))
        reasons = await nurture.rows("SELECT error_class, reason FROM dead_letters")
        assert [row["error_class"] for row in reasons] == ["Permanent", "Permanent"]


async def test_an_old_lead_from_an_import_is_not_followed_up(nurture: Nurture, receiver: Receiver) -> None:
    contact = a_contact()
    _, value = an_update(contact, time=datetime(2026, 1, 1, tzinfo=UTC))
    async with nurture.running():
        await nurture.publish((contact, value), bulk=True)
        await nurture.feed(a_contact())
        await receiver.wait_for(1)
        await until(lambda: _consumed(nurture, 2))
        assert await nurture.one("SELECT count(*) FROM enrolments") == 1


async def test_merged_contacts_share_one_run(nurture: Nurture, receiver: Receiver) -> None:
    nurture.configure(
        endpoints({"crm": receiver.url("/crm")}), ONE_WEBHOOK + "  - wait: {for: 30m}\n  - send: {webhook: crm}\n"
    )
    older, younger = a_contact(), a_contact()
    async with nurture.running():
        await nurture.feed(older)
        await receiver.wait_for(1)
        await nurture.feed(younger)
        await receiver.wait_for(2)
        await nurture.feed(older, "engagement.recorded", merged=[younger.id])
        await until(lambda: _merged(nurture))
        runs = await nurture.get("/v1/enrolments", contact=str(older.id))
        assert sorted(run["status"] for run in runs) == ["active", "exited"]
        assert await nurture.get("/v1/enrolments", contact=str(younger.id)) == []
        (active,) = [run for run in runs if run["status"] == "active"]
        (first,) = [d for d in await nurture.get("/v1/deliveries") if d["id"] == _id(receiver, 0)]
        assert first["enrolment_id"] == active["id"], "the older run goes on"
        # What still comes in under the old id concerns the survivor.
        await nurture.feed(younger, "purchase.completed")
        await until(lambda: _goal(nurture))
        await nurture.feed(younger)
        await until(lambda: _consumed(nurture, 5))
        assert await nurture.one("SELECT count(*) FROM enrolments") == 2, "once per 30 days, whoever it was"


def _id(receiver: Receiver, number: int) -> str:
    return receiver.received[number].headers["webhook-id"]


async def _merged(nurture: Nurture) -> bool:
    return bool(await nurture.one("SELECT count(*) FROM contacts WHERE merged_into IS NOT NULL") == 1)


async def _goal(nurture: Nurture) -> bool:
    return bool(await nurture.one("SELECT count(*) FROM enrolments WHERE status = 'goal_reached'") == 1)
