"""Tasks for reps, e-mail by a real SMTP conversation, and the API that people and programs use."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import SMTP, Envelope, Session

from shared import tokens
from shared.clock import utc_now
from shared.events.envelope import decode
from shared.events.types import ContactTouched
from shared.http.cursor import encode_cursor
from tests.support.nurture_service import ONE_WEBHOOK, Nurture, a_contact, a_nurture, endpoints
from tests.support.processes import free_ports
from tests.support.waiting import until
from tests.support.webhook_receiver import Receiver

CALL = """
workflow: first-hour
trigger: {on: lead.captured}
window: {length: 60m, stops_on: human_touch}
steps:
  - send: {task: call-now, assign: {round_robin: [ana, ben]}, deadline: 5m, fallback: {webhook: crm}}
  - wait_for: {event: contact.touched, where: event.human, timeout: 15m}
  - on_timeout: [{send: {webhook: crm}}]
"""
THANKS = """
workflow: thanks
trigger: {on: lead.captured}
steps:
  - send: {email: thanks}
"""
TEMPLATE = {"thanks.txt": "Subject: Thank you, {{ contact.name }}\n\nWe will call you about {{ event.data.interest }}."}


@dataclass
class Mailbox(MessageHandler):
    """Takes mail; `answer` may refuse a recipient, `after_data` may answer the message itself."""

    mails: list[Message] = field(default_factory=list)
    answer: str = "250 OK"
    after_data: str | None = None
    talks: int = 0

    def __post_init__(self) -> None:
        super().__init__(EmailMessage)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.talks += 1
        return responses

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - see above
        if self.after_data == "cut":
            cast("asyncio.Transport", server.transport).abort()
            return "250 nobody hears it"
        return await super().handle_DATA(server, session, envelope)

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)


@pytest.fixture
def mailbox() -> Any:
    box, (port,) = Mailbox(), free_ports(1)
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    yield box, port
    server.stop()


@pytest.fixture
async def nurture(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path, receiver: Receiver, mailbox: tuple[Mailbox, int]
) -> AsyncIterator[Nurture]:
    async with a_nurture(kafka, database, topic_prefix, tmp_path) as nurture:
        nurture.configure(
            endpoints({"crm": receiver.url("/crm")}, smtp_port=mailbox[1]), CALL, THANKS, templates=TEMPLATE
        )
        yield nurture


async def test_a_task_is_told_to_its_rep_and_done_by_a_person(
    nurture: Nurture, receiver: Receiver, mailbox: tuple[Mailbox, int]
) -> None:
    contact, box = a_contact(phone="+441632960961"), mailbox[0]
    async with nurture.running():
        await nurture.feed(contact)
        await until(lambda: len(box.mails) == 2)
        (told,) = [mail for mail in box.mails if mail["To"] == "ana@example.org"]
        text = told.get_payload(decode=True)
        assert isinstance(text, bytes)
        assert b"+441632960961" in text
        assert told["Subject"] == "call-now: Ada (first-hour)"
        (task,) = await nurture.get("/v1/tasks", contact=str(contact.id), state="open")
        assert (task["rep"], task["name"], task["contact"]["name"]) == ("ana", "call-now", "Ada")
        assert task["lead_value"] == {"amount": "600.00", "currency": "EUR"}
        token = tokens.create(nurture.folder / "state" / tokens.TOKENS_FILE, "x", "read", pii=False, now=utc_now())
        masked = await nurture.request("GET", "/v1/tasks", headers={"Authorization": f"Bearer {token}"})
        person = {"name": "A***", "company": None, "email": "a***@e***.com", "phone": "+44***61", "country": "GB"}
        assert masked.json()["items"][0]["contact"] == person
        may_not = await nurture.request(
            "POST", f"/v1/tasks/{task['id']}/done", json={"who": "a"}, headers={"Authorization": f"Bearer {token}"}
        )
        assert may_not.status_code == 403
        assert await nurture.get("/v1/windows", contact=str(contact.id))

        body = {"who": "ana", "outcome": "reached", "note": "wants the larger plan"}
        for _ in range(2):
            done = await nurture.request("POST", f"/v1/tasks/{task['id']}/done", json=body)
            assert (done.status_code, done.json()["state"], done.json()["done_by"]) == (200, "done", "ana")
        (noted,) = await nurture.rows("SELECT actor, token, action, contact_id, subject FROM audit")
        assert noted == {
            "actor": "admin", "token": "admin", "action": "task done", "contact_id": contact.id, "subject": task["id"],
        }, "once, however often it is said"  # fmt: skip
        touched = [event for event in await _facts(nurture, 4) if isinstance(event, ContactTouched)]
        (fact,) = touched
        assert (fact.who, fact.outcome, fact.human, fact.channel) == ("ana", "reached", True, "phone")
        assert fact.identity.contact_id == contact.id

        # Its own run need not wait for scoring's update: the clock stands, and what waited for the touch went on.
        assert await _count(nurture, "enrolments", "window_stopped_by = 'ana' AND status = 'completed'", 1)
        assert await nurture.get("/v1/windows", contact=str(contact.id)) == []
    assert receiver.received == []


async def test_a_touch_that_comes_back_by_way_of_scoring_counts_once(nurture: Nurture) -> None:
    again = CALL.replace("on_timeout: [{send: {webhook: crm}}]", "send: {task: write}\n  - wait: {for: 1h}")
    nurture.configure(endpoints({"crm": "http://127.0.0.1:9/"}), again)
    (nurture.folder / "config" / "workflows" / "w1.yaml").unlink()
    contact = a_contact(email=None)
    async with nurture.running():
        await nurture.feed(contact)
        await until(lambda: _count(nurture, "tasks", "state = 'open'", 1))
        (task,) = await nurture.get("/v1/tasks", state="open")
        await nurture.request("POST", f"/v1/tasks/{task['id']}/done", json={"who": "ana"})
        assert await _count(nurture, "tasks", "state = 'open' AND name = 'write'", 1)
        (fact,) = [each.event for each in await _events(nurture, 3) if each.event.type == "contact.touched"]
        await nurture.feed(contact, "contact.touched", event_id=fact.id, time=fact.time)
        await nurture.feed(contact, "engagement.recorded")
        await until(lambda: _count(nurture, "seen_updates", f"id = '{fact.id}'", 1))
        assert await _count(nurture, "tasks", "state = 'open' AND name = 'write'", 1), "made after that touch"


async def _facts(nurture: Nurture, count: int) -> list[Any]:
    return [event.data for event in await _events(nurture, count)]


async def _events(nurture: Nurture, count: int) -> list[Any]:
    consumer = AIOKafkaConsumer(
        nurture.topics.events,
        nurture.topics.events_bulk,
        bootstrap_servers=nurture.kafka,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    found: list[Any] = []
    try:
        await until(lambda: _count(nurture, "facts", "true", 0))
        async with asyncio.timeout(15):
            while len(found) < count:
                found += [decode(r.value) for rs in (await consumer.getmany(timeout_ms=200)).values() for r in rs]
        return found
    finally:
        await consumer.stop()


async def _count(nurture: Nurture, table: str, where: str, count: int) -> bool:
    return bool(await nurture.one(f"SELECT count(*) FROM {table} WHERE {where}") == count)


async def test_reps_take_turns(nurture: Nurture) -> None:
    async with nurture.running():
        for _ in range(4):
            await nurture.feed(a_contact(email=None))
        await until(lambda: _count(nurture, "tasks", "true", 4))
        tasks = await nurture.get("/v1/tasks")
        assert sorted(task["rep"] for task in tasks) == ["ana", "ana", "ben", "ben"]
        assert len(await nurture.get("/v1/tasks", rep="ben")) == 2


async def test_a_task_that_nobody_does_falls_back(nurture: Nurture, receiver: Receiver) -> None:
    async with nurture.running():
        await nurture.feed(a_contact(email=None))
        await until(lambda: _count(nurture, "tasks", "state = 'open'", 1))
        await nurture.execute("UPDATE tasks SET expires_at = now()")
        await receiver.wait_for(1)
        (task,) = await nurture.get("/v1/tasks")
        assert task["state"] == "expired"
        late = await nurture.request("POST", f"/v1/tasks/{task['id']}/done", json={"who": "ana"})
        assert (late.status_code, late.json()["state"]) == (200, "done"), "late is better than never"


async def test_another_person_s_touch_closes_the_task(nurture: Nurture, receiver: Receiver) -> None:
    contact = a_contact(email=None)
    async with nurture.running():
        await nurture.feed(contact)
        await until(lambda: _count(nurture, "tasks", "state = 'open'", 1))
        await nurture.feed(contact, "contact.touched")
        await until(lambda: _count(nurture, "tasks", "state = 'done' AND done_by = 'ana'", 1))
    assert receiver.received == []


async def test_what_cannot_be_done_says_so(nurture: Nurture) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    async with nurture.running():
        missing = await nurture.request("POST", f"/v1/tasks/{nobody}/done", json={"who": "ana"})
        assert missing.status_code == 404
        wrong = await nurture.request("POST", f"/v1/tasks/{nobody}/done", json={"who": "", "outcome": "won", "x": 1})
        assert wrong.status_code == 422
        assert {error["at"] for error in wrong.json()["errors"]} == {"/body/who", "/body/outcome", "/body/x"}
        nul = await nurture.request("POST", f"/v1/tasks/{nobody}/done", json={"who": "a\u0000b"})
        assert nul.status_code == 422
        assert (await nurture.request("GET", "/v1/deliveries", params={"cursor": "bm8"})).status_code == 400
        for moment in ("0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"):  # beyond all years, in UTC
            beyond = {"cursor": encode_cursor(moment, nobody)}
            assert (await nurture.request("GET", "/v1/deliveries", params=beyond)).status_code == 400
        for path in ("enrolments", "deliveries", "tasks", "endpoints", "windows"):
            assert (await nurture.request("GET", f"/v1/{path}", params={"any": "a\0b"})).status_code == 422
        async with httpx.AsyncClient() as stranger:
            for path in ("enrolments", "deliveries", "tasks", "endpoints", "windows"):
                assert (await stranger.get(f"http://127.0.0.1:{nurture.port}/v1/{path}")).status_code == 401


async def test_lists_page_without_gaps(nurture: Nurture) -> None:
    async with nurture.running():
        for _ in range(7):
            await nurture.feed(a_contact(email=None))
        await until(lambda: _count(nurture, "tasks", "true", 7))
        for path in ("/v1/enrolments", "/v1/tasks", "/v1/windows"):
            seen: list[str] = []
            cursor = None
            while True:
                params = {"limit": "3", **({"cursor": cursor} if cursor else {})}
                page = (await nurture.request("GET", path, params=params)).json()
                seen += [item.get("id") or item["enrolment_id"] for item in page["items"]]
                cursor = page["next"]
                if cursor is None:
                    break
            wanted = 7 if path != "/v1/enrolments" else 14
            assert len(seen) == len(set(seen)) == wanted, path
        (window, *_) = await nurture.get("/v1/windows")
        assert 3500 < window["seconds_left"] <= 3600
        await nurture.execute("UPDATE enrolments SET window_closes_at = now() WHERE window_closes_at IS NOT NULL")
        await until(lambda: _count(nurture, "enrolments", "window_missed_at IS NOT NULL", 7))
        assert len(await nurture.get("/v1/windows", state="missed")) == 7
        assert (await nurture.get("/v1/windows", state="missed"))[0]["seconds_left"] <= 0


async def test_a_mail_is_a_real_conversation_on_one_connection(nurture: Nurture, mailbox: tuple[Mailbox, int]) -> None:
    nurture.configure(endpoints({"crm": "http://127.0.0.1:9/"}, smtp_port=mailbox[1]), THANKS, templates=TEMPLATE)
    (nurture.folder / "config" / "workflows" / "w1.yaml").unlink()
    box = mailbox[0]
    async with nurture.running():
        for number in range(3):
            contact = a_contact()
            await nurture.feed(contact)
            await until(lambda: len(box.mails) == number + 1)  # noqa: B023 - awaited before it changes
            await until(lambda: _count(nurture, "deliveries", "state = 'delivered'", number + 1))  # noqa: B023
        assert box.talks == 1
        mail = box.mails[0]
        assert mail["Subject"] == "Thank you, Ada"
        assert mail["To"] == "ada@example.com"
        (delivery, *_) = [d for d in await nurture.get("/v1/deliveries") if d["id"] in str(mail["Message-ID"])]
        (attempt,) = await nurture.get(f"/v1/deliveries/{delivery['id']}/attempts")
        assert (attempt["status"], attempt["outcome"]) == (250, "delivered")


@pytest.mark.parametrize(
    ("answer", "state", "outcome"),
    [("550 no such mailbox", "failed", "failed"), ("451 try later", "pending", "retry")],
)
async def test_what_the_mail_server_says_decides(
    nurture: Nurture, mailbox: tuple[Mailbox, int], answer: str, state: str, outcome: str
) -> None:
    mailbox[0].answer = answer
    async with nurture.running():
        await nurture.feed(a_contact())
        await until(lambda: _count(nurture, "attempts", f"outcome = '{outcome}' AND status = {answer[:3]}", 2))
        await until(lambda: _count(nurture, "deliveries", f"state = '{state}' AND channel = 'email'", 2))


async def test_a_mail_that_may_have_been_accepted_is_not_sent_again(
    nurture: Nurture, mailbox: tuple[Mailbox, int]
) -> None:
    mailbox[0].after_data = "cut"
    async with nurture.running():
        await nurture.feed(a_contact())
        await until(lambda: _count(nurture, "deliveries", "state = 'failed' AND channel = 'email'", 2))
        assert await _count(nurture, "attempts", "outcome = 'unknown'", 2)


async def test_who_refused_e_mail_gets_none(nurture: Nurture, mailbox: tuple[Mailbox, int]) -> None:
    async with nurture.running():
        await nurture.feed(a_contact(consent={"email": False}))
        await until(lambda: _count(nurture, "deliveries", "state = 'failed' AND target = 'thanks'", 1))
        await until(lambda: len(mailbox[0].mails) == 1)
        assert mailbox[0].mails[0]["To"] == "ana@example.org"


async def test_metrics_tell_how_fast_the_first_follow_up_was(nurture: Nurture, receiver: Receiver) -> None:
    nurture.configure(endpoints({"crm": receiver.url("/crm")}), ONE_WEBHOOK)
    (nurture.folder / "config" / "workflows" / "w1.yaml").unlink()
    async with nurture.running():
        await nurture.feed(a_contact(), time=utc_now())
        await until(lambda: _count(nurture, "deliveries", "state = 'delivered'", 1))
        text = (await nurture.request("GET", "/metrics")).text
        assert 'firsthour_nurture_first_followup_seconds_bucket{le="10.0",workflow="first-hour"} 1.0' in text
        assert 'firsthour_nurture_attempts_total{endpoint="crm",outcome="delivered"} 1.0' in text
        assert "example.com" not in text
        assert (await nurture.request("GET", "/readyz")).json() == {"status": "ready", "missing": []}
