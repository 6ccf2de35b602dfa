"""ingest over real HTTP onto a real broker: what comes out on the topic, and how wrong input is answered."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from shared.kafka.topics import Topics, create_topics
from tests.support.ingest_service import Ingest, running
from tests.support.waiting import until

ROOT = Path(__file__).parents[4]


@pytest.fixture
async def ingest(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    async with running(kafka, topic_prefix, tmp_path) as ingest:

        async def ready() -> bool:
            return (await ingest.http.get("/readyz")).status_code == 200

        await until(ready)
        yield ingest


async def test_a_lead_is_one_cloudevent_with_an_opaque_key(ingest: Ingest) -> None:
    answer = await ingest.lead(
        {
            "email": "Ada@Example.com", "name": "Ada", "company": "Engines", "phone": "+44 1632 960961",
            "estimated_value": {"amount": "500.00", "currency": "eur"}, "campaign": {"source": "google"},
            "consent": {"email": True, "wording": "yes please"}, "traits": {"seats": 12}, "plan": "pro",
            "occurred_at": "2026-01-01T10:00:00+01:00",
        },
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )  # fmt: skip
    assert answer.status_code == 202
    ((key, (event, lead)),) = await ingest.events(1)
    assert answer.json() == {"id": str(event.id), "status": "accepted"}
    assert (event.type, event.source, event.subject) == ("lead.captured", "/sources/website", "email:ada@example.com")
    assert (event.trust, event.time) == ("public", event.receivedtime)  # a page's key: anybody may hold it
    assert event.claimedtime is not None
    assert event.claimedtime.isoformat() == "2026-01-01T09:00:00+00:00"
    assert event.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert (lead.identity.email, lead.identity.phone) == ("ada@example.com", "+441632960961")
    assert lead.traits == {"seats": 12, "company": "Engines", "plan": "pro"}
    assert (lead.estimated_value.minor(), lead.estimated_value.currency) == (50000, "EUR")
    assert b"ada" not in key
    assert len(key) == 32


async def test_a_time_in_the_future_is_the_time_it_came(ingest: Ingest) -> None:
    await ingest.lead({"email": "a@example.com", "occurred_at": "2199-01-01T00:00:00Z"})
    ((_, (event, _data)),) = await ingest.events(1)
    assert event.time == event.receivedtime


async def test_the_same_message_id_is_the_same_event_however_it_is_named(ingest: Ingest) -> None:
    lead = {"email": "a@example.com", "message_id": "form-123"}
    answers = await asyncio.gather(*(ingest.lead(lead) for _ in range(10)))
    answers.append(await ingest.lead({"email": "a@example.com"}, **{"Idempotency-Key": "form-123"}))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_every_wrong_field_is_named_at_once_and_no_value_repeated(ingest: Ingest) -> None:
    answer = await ingest.lead(
        {
            "email": "nobody", "phone": "call me", "name": 5, "message": "x" * 20000, "traits": [], "odd": {"a": 1},
            "estimated_value": {"amount": "lots", "currency": "euro"}, "consent": {"email": "yes"},
            "occurred_at": "tomorrow",
        }
    )  # fmt: skip
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert {error["at"] for error in answer.json()["errors"]} == {
        "/email", "/phone", "/message", "/traits", "/odd", "/estimated_value/amount", "/estimated_value/currency",
        "/consent/email", "/occurred_at",
    }  # fmt: skip
    assert "nobody" not in answer.text
    answer = await ingest.lead({"name": "Nobody at all"})
    assert answer.json()["errors"] == [{"at": "/", "problem": "needs one of email, phone, user_id or anonymous_id"}]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"nul", 400),
        (b'{"email": "a@example.com", "traits": {"x": NaN}}', 400),
        (b'{"email": "a@example.com", "traits": {"x": "\\ud800"}}', 400),
        (b'{"email": "a@example.com", "traits": {"x": 1e999}}', 400),
        (b'{"email": "a@example.com", "traits": {"x": "\\u0000"}}', 422),
        (b'{"email": "a@example.com", "name": "\\u0000"}', 422),
        (b'{"email": "a@example.com", "traits": {"x": ' + b"9" * 40 + b"}}", 422),
        (b'{"email": "a@example.com", "traits": ' + b'{"x":' * 20 + b"1" + b"}" * 20 + b"}", 422),
        (b"[" * 10_000, 413),
        (b'{"email": "a@example.com", "name": "' + b"x" * 40_000 + b'"}', 413),
        (b"\xff\xfe", 400),
    ],
)
async def test_what_cannot_be_read_is_refused_with_the_reason(ingest: Ingest, body: bytes, status: int) -> None:
    headers = ingest.key("WEBSITE") | {"Content-Type": "application/json"}
    answer = await ingest.http.post("/v1/leads", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["title"]


async def test_only_a_known_key_of_the_right_kind_opens_a_source(ingest: Ingest) -> None:
    lead = {"email": "a@example.com"}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic !!"}):
        answer = await ingest.http.post("/v1/leads", json=lead, headers=headers)
        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers
    purchase = {"email": "a@example.com", "order_id": "A-1", "amount": "1", "currency": "EUR"}
    assert (await ingest.http.post("/v1/purchases", json=purchase, headers=ingest.key("WEBSITE"))).status_code == 403
    for name in ("SHOP", "SHOP_NEXT"):
        assert (await ingest.http.post("/v1/purchases", json=purchase, headers=ingest.key(name))).status_code == 202
    basic = (ingest.keys["INGEST_TEST_SHOP_KEY"], "")
    assert (await ingest.http.post("/v1/purchases", json=purchase, auth=basic)).status_code == 202


async def test_the_same_order_is_one_purchase(ingest: Ingest) -> None:
    purchase = {
        "email": "a@example.com",
        "order_id": "A-1",
        "amount": 129.9,
        "currency": "EUR",
        "items": [{"sku": "x"}],
    }
    answers = [await ingest.http.post("/v1/purchases", json=purchase, headers=ingest.key("SHOP")) for _ in range(2)]
    assert len({answer.json()["id"] for answer in answers}) == 1
    ((_, (_event, data)), _again) = await ingest.events(2)
    assert (data.amount, data.items[0].sku) == ("129.9", "x")


async def test_a_form_needs_no_key_and_guesses_its_fields(ingest: Ingest) -> None:
    answer = await ingest.http.post(
        "/f/plain",
        data={"E-Mail": "ada@example.com", "Vorname": "Ada", "Nachname": "Lovelace", "Firma": "Engines",
              "Telefon": "030 901820", "Nachricht": "Guten Tag", "utm_source": "google", "budget": "10k"},
    )  # fmt: skip
    assert (answer.status_code, answer.headers["location"]) == (303, "https://example.com/thanks")
    ((_, (event, lead)),) = await ingest.events(1)
    assert (event.type, lead.form, lead.name, lead.message) == ("lead.captured", "plain", "Ada Lovelace", "Guten Tag")
    assert lead.campaign.source == "google"
    assert lead.traits["company"] == "Engines"
    assert lead.traits["budget"] == "10k"
    assert lead.identity.phone is None
    assert lead.traits["phone_as_written"] == "030 901820"


async def test_a_form_answers_json_or_a_page_as_asked(ingest: Ingest) -> None:
    form = {"your-email": "ada@example.com"}
    json_answer = await ingest.http.post("/f/website", data=form, headers={"Accept": "application/json"})
    assert json_answer.status_code == 202
    page = await ingest.http.post("/f/website", data=form)
    assert page.status_code == 200
    assert "Thank you" in page.text
    wrong = await ingest.http.post("/f/website", data={"your-email": "<script>"})
    assert wrong.status_code == 422
    assert "<script>" not in wrong.text
    assert "your-email" in wrong.text
    as_json = await ingest.http.post("/f/website", data={"x": "1"}, headers={"Accept": "application/json"})
    assert as_json.status_code == 422
    assert (await ingest.http.post("/f/nowhere", data=form)).status_code == 404
    assert (await ingest.http.post("/f/shop", data=form)).status_code == 404
    assert (await ingest.http.post("/f/website", content=b"x", headers={"Content-Type": "text/csv"})).status_code == 415


async def test_a_form_is_used_only_from_its_pages(ingest: Ingest) -> None:
    form = {"your-email": "ada@example.com"}
    refused = await ingest.http.post("/f/website", data=form, headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers
    taken = await ingest.http.post("/f/website", data=form, headers={"Origin": "https://example.com"})
    assert taken.headers["access-control-allow-origin"] == "https://example.com"
    preflight = await ingest.http.options("/f/website", headers={"Origin": "https://example.com"})
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]


async def test_too_many_fields_are_refused(ingest: Ingest) -> None:
    answer = await ingest.http.post(
        "/f/plain", data={f"f{n}": "x" for n in range(500)}, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 422


async def test_segment_batches_take_the_good_and_name_the_bad(ingest: Ingest) -> None:
    batch = {
        "sentAt": "2026-01-01T10:00:10Z",
        "batch": [
            {"type": "track", "userId": "u1", "event": "Product Viewed", "timestamp": "2026-01-01T10:00:00Z",
             "messageId": "m1", "context": {"campaign": {"name": "spring"}}},
            {"type": "track", "event": "Nobody Did It"},
            {"type": "identify", "userId": "u1", "traits": {"email": "Ada@Example.com", "firstName": "Ada"}},
            {"type": "track", "userId": "u1", "event": "Order Completed",
             "properties": {"order_id": "7", "total": 30.5, "currency": "EUR", "products": [{"sku": "a", "price": 30.5}]}},
            "nonsense",
            {"type": "page", "anonymousId": "x", "properties": {"url": "https://example.com/pricing"}},
        ],
    }  # fmt: skip
    key = (ingest.keys["INGEST_TEST_APP_KEY"], "")
    packed = gzip.compress(json.dumps(batch).encode())
    answer = await ingest.http.post("/v1/batch", content=packed, headers={"Content-Encoding": "gzip"}, auth=key)
    assert answer.status_code == 200
    assert answer.json()["success"] is True
    assert {error["index"] for error in answer.json()["errors"]} == {1, 4}
    events = [decoded for _, decoded in await ingest.events(4, ingest.topics.events_bulk)]
    kinds = sorted(event.type for event, _ in events)
    assert kinds == ["contact.identified", "engagement.recorded", "engagement.recorded", "purchase.completed"]
    viewed = next((e, d) for e, d in events if e.type == "engagement.recorded" and d.kind == "product_viewed")
    assert (viewed[0].receivedtime - viewed[0].time).total_seconds() == pytest.approx(10, abs=0.5), (
        "the client's clock is wrong"
    )
    bought = next(d for e, d in events if e.type == "purchase.completed")
    assert (bought.amount, bought.order_id, bought.items[0].price) == ("30.5", "7", "30.5")


async def test_the_browser_s_way_of_segment_works_too(ingest: Ingest) -> None:
    body = json.dumps({"anonymousId": "x", "event": "Hello", "writeKey": ingest.keys["INGEST_TEST_APP_KEY"]})
    answer = await ingest.http.post(
        "/v1/t", content=body, headers={"Content-Type": "text/plain", "Origin": "https://example.com"}
    )
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert answer.headers["access-control-allow-origin"] == "https://example.com"
    refused = await ingest.http.post("/v1/t", content=b'{"event": "Hello"}')
    assert refused.status_code == 401


async def test_a_gzip_bomb_stops_at_the_bound(ingest: Ingest) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    key = (ingest.keys["INGEST_TEST_APP_KEY"], "")
    answer = await ingest.http.post("/v1/batch", content=bomb, headers={"Content-Encoding": "gzip"}, auth=key)
    assert answer.status_code == 413
    for content in (bomb[:100], b"plain"):
        answer = await ingest.http.post("/v1/batch", content=content, headers={"Content-Encoding": "gzip"}, auth=key)
        assert answer.status_code == 400


async def test_the_openapi_document_tells_of_the_hot_paths(ingest: Ingest) -> None:
    document = (await ingest.http.get("/openapi.json")).json()
    assert {"/v1/leads", "/v1/purchases", "/v1/track", "/v1/batch", "/f/{source}", "/healthz"} <= document[
        "paths"
    ].keys()
    assert (await ingest.http.get("/v1/leads")).status_code in (404, 405)
    assert (await ingest.http.get("/docs")).status_code == 200


async def test_without_kafka_the_spool_carries_and_without_a_spool_it_is_503(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    async with running("127.0.0.1:1", topic_prefix, tmp_path) as cut_off:
        answers = [await cut_off.lead({"email": "a@example.com", "message_id": str(n)}) for n in range(5)]
        assert {answer.status_code for answer in answers} == {202}
        spooled = {answer.json()["id"] for answer in answers}
    async with running("127.0.0.1:1", topic_prefix, tmp_path, ingest_spool_bytes=0) as cut_off:
        answer = await cut_off.lead({"email": "a@example.com"})
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert (await cut_off.http.get("/readyz")).status_code == 503
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    async with running(kafka, topic_prefix, tmp_path) as back:  # the next process finds what the last one spooled
        assert {str(event.id) for _, (event, _) in await back.events(5)} == spooled
        await until(lambda: not list(tmp_path.glob("spool/*/*.events")))


async def test_a_basic_header_is_base64_of_the_key(ingest: Ingest) -> None:
    key = base64.b64encode(f"{ingest.keys['INGEST_TEST_APP_KEY']}:".encode()).decode()
    answer = await ingest.http.post(
        "/v1/track", json={"userId": "u", "event": "x"}, headers={"Authorization": f"Basic {key}"}
    )
    assert answer.status_code == 200


def a_cloud_event(**changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": "order-7", "source": "/erp", "type": "purchase.completed", "time": "2026-01-01T10:00:00Z",
        "data": {"identity": {"email": "Ada@Example.com"}, "order_id": "7", "amount": "12.00", "currency": "EUR"},
    } | changes  # fmt: skip


async def test_cloudevents_are_taken_structured_binary_and_batched(ingest: Ingest) -> None:
    key = ingest.key("SHOP")
    structured = await ingest.http.post(
        "/v1/events",
        content=json.dumps(a_cloud_event()),
        headers=key | {"Content-Type": "application/cloudevents+json"},
    )
    event = a_cloud_event()
    binary = await ingest.http.post(
        "/v1/events",
        json=event.pop("data"),
        headers=key | {f"ce-{name}": value for name, value in event.items()},
    )
    assert (structured.status_code, binary.status_code) == (202, 202), structured.text + binary.text
    assert structured.json() == binary.json(), "source and id name the event, whichever way it comes"
    batch = [
        a_cloud_event(id="8"),
        a_cloud_event(type="followup.sent"),
        5,
        a_cloud_event(id="9", data={"identity": {}}),
    ]
    answer = await ingest.http.post(
        "/v1/events",
        content=json.dumps(batch),
        headers=key | {"Content-Type": "application/cloudevents-batch+json"},
    )
    assert answer.status_code == 202
    assert len(answer.json()["ids"]) == 1
    assert {error["at"] for error in answer.json()["errors"]} == {"/1/type", "/2", "/3/data/identity"}
    found = [decoded for _, decoded in await ingest.events(3)]
    assert {data.identity.email for _, data in found} == {"ada@example.com"}


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"specversion": "0.3"}, "/specversion"),
        ({"id": None}, "/id"),
        ({"type": "lead.exploded"}, "/type"),
        ({"time": "yesterday"}, "/time"),
        ({"data": []}, "/data"),
        (
            {"data": {"identity": {"email": "a@example.com"}, "order_id": 7, "amount": "1", "currency": "EUR"}},
            "/data/order_id",
        ),
        (
            {"data": {"identity": {"email": "a@example.com"}, "order_id": "7", "amount": "x", "currency": "EUR"}},
            "/data/amount",
        ),
        (
            {"data": {"identity": {"email": "nobody"}, "order_id": "7", "amount": "1", "currency": "EUR"}},
            "/data/identity/email",
        ),
        (
            {"data": {"identity": {"contact_id": "x"}, "order_id": "7", "amount": "1", "currency": "EUR"}},
            "/data/identity",
        ),
    ],
)
async def test_a_wrong_cloudevent_is_refused_with_the_field(ingest: Ingest, change: dict[str, Any], at: str) -> None:
    answer = await ingest.http.post("/v1/events", json=a_cloud_event(**change), headers=ingest.key("SHOP"))
    assert answer.status_code == 422, answer.text
    assert at in {error["at"] for error in answer.json()["errors"]}


async def test_a_sender_of_cloudevents_may_ask_whether_it_may_deliver(ingest: Ingest) -> None:
    answer = await ingest.http.options("/v1/events", headers={"WebHook-Request-Origin": "eventemitter.example.com"})
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "eventemitter.example.com"
    assert (answer.headers["allow"], answer.headers["webhook-allowed-rate"]) == ("POST", "*")


async def test_a_path_that_is_posted_to_says_so(ingest: Ingest) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = await ingest.http.request(method, "/v1/leads")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")
        assert answer.json()["title"]


async def test_bodies_at_work_have_so_much_room_and_no_more(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    await create_topics(kafka, Topics(topic_prefix), partitions=1, replication=1)
    async with (
        running(kafka, topic_prefix, tmp_path, ingest_max_bytes_in_flight=65_536) as ingest,
        AsyncExitStack() as cleanup,
    ):
        head = (
            b"POST /f/plain HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 32000\r\n\r\n"
        )
        for _ in range(10):  # they promise much, and send half of it
            _, writer = await asyncio.open_connection(ingest.http.base_url.host, ingest.http.base_url.port)
            cleanup.callback(writer.close)
            writer.write(head + b"message=" + b"x" * 16_000)
            await writer.drain()
        # What is whole goes before what is still coming, and its sender waits a moment at most, or is told to come again.

        async def taken() -> bool:
            answer = await ingest.lead({"email": "ada@example.com", "message": "x" * 9_000})
            assert answer.status_code in (202, 503)
            return answer.status_code == 202

        await until(taken)
