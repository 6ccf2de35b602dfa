"""The way of one lead through the real processes: HTTP in, signed webhook, mail and task out."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.conftest import Mailbox
from tests.support.processes import Firsthour
from tests.support.receiver import verified
from tests.support.waiting import until
from tests.support.webhook_receiver import Received, Receiver

FIRST = "/webhooks/marketing-automation"


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10) as client:
        yield client


def an_address() -> str:
    return f"lead-{uuid4().hex[:12]}@example.com"


def about(receiver: Receiver, address: str, path: str = FIRST) -> list[Received]:
    return [r for r in list(receiver.received) if r.path == path and address.encode() in r.body]


def contact(http: httpx.Client, firsthour: Firsthour, address: str) -> dict[str, Any] | None:
    answer = http.get(f"{firsthour.url('scoring')}/v1/contacts", params={"email": address}, headers=firsthour.token())
    assert answer.status_code in (200, 404), answer.text
    if answer.status_code == 404:
        return None
    document: dict[str, Any] = answer.json()
    found = document.get("items", [document])
    return found[0] if found else None


def amount(money: dict[str, str]) -> float:
    return float(money["amount"])


def post_lead(http: httpx.Client, firsthour: Firsthour, lead: dict[str, Any]) -> str:
    answer = http.post(f"{firsthour.url('ingest')}/v1/leads", json=lead, headers=firsthour.key())
    assert answer.status_code == 202, answer.text
    identifier: str = answer.json()["id"]
    return identifier


async def test_a_form_post_comes_out_as_a_webhook_that_verifies(
    http: httpx.Client, firsthour: Firsthour, receiver: Receiver, mailbox: tuple[Mailbox, int]
) -> None:
    address = an_address()
    answer = http.post(
        f"{firsthour.url('ingest')}/f/website",
        data={"email": address, "name": "Ada", "message": "Please call"},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 202, answer.text

    await until(lambda: bool(about(receiver, address)))
    (received,) = about(receiver, address)
    payload = verified(received, firsthour.secret("MA_SECRET"))
    assert payload["type"] == "followup.requested"
    assert payload["data"]["contact"]["email"] == address
    assert payload["data"]["contact"]["name"] == "Ada"
    assert payload["data"]["workflow"] == "first-hour"
    assert payload["data"]["event"]["id"] == answer.json()["id"]

    box, _ = mailbox
    await until(lambda: bool(box.to(address)))
    (mail,) = box.to(address)
    assert mail["Subject"]
    assert mail["Message-ID"]


async def test_the_value_is_the_sum_of_its_bookings(
    http: httpx.Client, firsthour: Firsthour, receiver: Receiver
) -> None:
    address = an_address()
    post_lead(http, firsthour, {"email": address, "estimated_value": {"amount": "900.00", "currency": "EUR"}})
    await until(lambda: bool(about(receiver, address)))
    found = contact(http, firsthour, address)
    assert found is not None
    bookings = http.get(
        f"{firsthour.url('scoring')}/v1/contacts/{found['id']}/bookings", headers=firsthour.token()
    ).json()["items"]
    assert bookings
    lead = sum(round(amount(b["amount"]) * 100) for b in bookings if b["account"] == "lead")
    assert lead == round(amount(found["lead_value"]) * 100)
    assert lead > 0


async def test_a_purchase_ends_the_sequence_and_raises_customer_value(
    http: httpx.Client, firsthour: Firsthour, receiver: Receiver
) -> None:
    address = an_address()
    post_lead(http, firsthour, {"email": address, "name": "Grace"})
    await until(lambda: bool(about(receiver, address)))
    before = contact(http, firsthour, address)
    assert before is not None
    assert amount(before["customer_value"]) == 0

    answer = http.post(
        f"{firsthour.url('ingest')}/v1/purchases",
        json={"email": address, "order_id": uuid4().hex, "amount": "129.90", "currency": "EUR"},
        headers=firsthour.key("SHOP_KEY"),
    )
    assert answer.status_code == 202, answer.text

    def enrolments() -> dict[str, str]:
        listed = http.get(
            f"{firsthour.url('nurture')}/v1/enrolments", params={"contact": before["id"]}, headers=firsthour.token()
        ).json()["items"]
        return {each["workflow"]: each["status"] for each in listed}

    await until(lambda: enrolments().get("first-hour") == "goal_reached")
    await until(lambda: "thank-customer" in enrolments())
    after = contact(http, firsthour, address)
    assert after is not None
    assert amount(after["customer_value"]) > 0


async def test_the_same_lead_posted_ten_times_in_parallel_is_followed_up_once(
    firsthour: Firsthour, receiver: Receiver, mailbox: tuple[Mailbox, int]
) -> None:
    address, message_id = an_address(), uuid4().hex
    lead = {"email": address, "message_id": message_id}
    async with httpx.AsyncClient(timeout=10) as client:
        answers = await asyncio.gather(
            *(client.post(f"{firsthour.url('ingest')}/v1/leads", json=lead, headers=firsthour.key()) for _ in range(10))
        )
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1

        # A later lead overtakes nothing of its own partition, so once it is out, all copies have been looked at.
        for _ in range(8):
            later = {"email": an_address()}
            await client.post(f"{firsthour.url('ingest')}/v1/leads", json=later, headers=firsthour.key())
            await until(lambda: bool(about(receiver, later["email"])))  # noqa: B023 - awaited before it changes
    assert len(about(receiver, address)) == 1
    assert len(mailbox[0].to(address)) <= 1


async def test_an_invalid_lead_is_answered_with_every_error(http: httpx.Client, firsthour: Firsthour) -> None:
    answer = http.post(
        f"{firsthour.url('ingest')}/v1/leads",
        json={"email": "nobody", "phone": "call me", "estimated_value": {"amount": "lots", "currency": "euro"}},
        headers=firsthour.key(),
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert {error["at"] for error in problem["errors"]} >= {
        "/email", "/phone", "/estimated_value/amount", "/estimated_value/currency",
    }  # fmt: skip
    assert "nobody" not in answer.text


async def test_a_person_s_touch_closes_the_task_and_stops_the_clock(
    http: httpx.Client, firsthour: Firsthour, receiver: Receiver
) -> None:
    address = an_address()
    post_lead(http, firsthour, {"email": address, "estimated_value": {"amount": "90000.00", "currency": "EUR"}})
    await until(lambda: bool(about(receiver, address)))
    found = contact(http, firsthour, address)
    assert found is not None
    nurture, token = firsthour.url("nurture"), firsthour.token()

    def tasks() -> list[dict[str, Any]]:
        listed = http.get(f"{nurture}/v1/tasks", params={"contact": found["id"]}, headers=token).json()["items"]
        return [each for each in listed if each["contact_id"] == found["id"]]

    await until(lambda: bool(tasks()))
    done = http.post(
        f"{nurture}/v1/tasks/{tasks()[0]['id']}/done", json={"who": "ana", "outcome": "reached"}, headers=token
    )
    assert done.status_code == 200, done.text

    def stopped() -> bool:
        windows = http.get(f"{nurture}/v1/windows", params={"contact": found["id"]}, headers=token).json()["items"]
        return not [w for w in windows if w["contact_id"] == found["id"] and w.get("stopped_at") is None]

    await until(stopped)


async def test_a_segment_track_becomes_engagement_of_the_same_contact(
    http: httpx.Client, firsthour: Firsthour, receiver: Receiver
) -> None:
    address, anonymous = an_address(), uuid4().hex
    app = (firsthour.secret("APP_KEY"), "")
    answer = http.post(
        f"{firsthour.url('ingest')}/v1/track",
        json={"anonymousId": anonymous, "event": "Pricing Viewed", "properties": {"plan": "pro"}},
        auth=app,
    )
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    answer = http.post(
        f"{firsthour.url('ingest')}/v1/identify",
        json={"anonymousId": anonymous, "traits": {"email": address, "company": "Analytical Engines"}},
        auth=app,
    )
    assert answer.status_code == 200
    post_lead(http, firsthour, {"email": address})
    await until(lambda: bool(about(receiver, address)))
    found = contact(http, firsthour, address)
    assert found is not None

    def kinds() -> set[str]:
        events = http.get(
            f"{firsthour.url('scoring')}/v1/contacts/{found['id']}/events", headers=firsthour.token()
        ).json()["items"]
        return {each["type"] for each in events}

    await until(lambda: kinds() >= {"engagement.recorded", "contact.identified", "lead.captured"})


async def test_logs_are_json_and_name_nobody(http: httpx.Client, firsthour: Firsthour, receiver: Receiver) -> None:
    address = an_address()
    post_lead(http, firsthour, {"email": address, "name": "Unmistakable Person", "phone": "+441632960961"})
    http.post(f"{firsthour.url('ingest')}/v1/leads", json={"email": f"broken {address}"}, headers=firsthour.key())
    await until(lambda: bool(about(receiver, address)))
    for path in Path(firsthour.folder).glob("*.log"):
        text = path.read_text()
        for secret in (address, "Unmistakable", "1632960961", firsthour.secret("WEBSITE_KEY"), "@example.com"):
            assert secret not in text, path.name
        for line in text.splitlines():
            assert isinstance(json.loads(line), dict)


async def test_metrics_and_docs_are_served_by_each(http: httpx.Client, firsthour: Firsthour) -> None:
    for name in ("ingest", "scoring", "nurture"):
        assert http.get(f"{firsthour.url(name)}/healthz").json() == {"status": "ok", "missing": []}
        metrics = http.get(f"{firsthour.url(name)}/metrics").text
        assert f"firsthour_{name}" in metrics or "firsthour_consumer" in metrics
        assert "@example.com" not in metrics
        assert http.get(f"{firsthour.url(name)}/openapi.json").json()["paths"]


async def test_the_read_apis_let_nobody_in_without_a_token(http: httpx.Client, firsthour: Firsthour) -> None:
    for url in (
        f"{firsthour.url('scoring')}/v1/queue",
        f"{firsthour.url('scoring')}/v1/contacts?email=a@example.com",
        f"{firsthour.url('nurture')}/v1/deliveries",
        f"{firsthour.url('nurture')}/v1/tasks",
    ):
        assert http.get(url).status_code == 401
        assert http.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert http.get(url, headers=firsthour.token()).status_code == 200
