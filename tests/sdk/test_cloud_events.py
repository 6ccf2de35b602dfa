"""CNCF's own CloudEvents SDK, unchanged, against a real ingest: it makes the requests and httpx sends them."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from tests.sdk.ingest import Ingest, event_id, running

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER_TRACE = "00-1bf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DATA = {"identity": {"email": "Ada@Example.com"}, "order_id": "7", "amount": "12.00", "currency": "EUR"}


@pytest.fixture
async def ingest(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    async with running(kafka, topic_prefix, tmp_path) as ingest:
        yield ingest


def an_event(data: Any = DATA, **attributes: Any) -> CloudEvent:
    given = {
        "id": 'order 7 für "Ada" 100 %', "source": "/erp/größe", "type": "purchase.completed",
        "time": datetime(2026, 1, 1, 10, tzinfo=UTC), "datacontenttype": "application/json",
    } | attributes  # fmt: skip
    return CloudEvent({name: value for name, value in given.items() if value is not None}, data)


async def post(ingest: Ingest, message: HTTPMessage, **headers: str) -> httpx.Response:
    key = {"Authorization": f"Bearer {ingest.key('erp')}"}
    return await ingest.http.post("/v1/events", content=message.body, headers=key | message.headers | headers)


def batch(*events: CloudEvent) -> HTTPMessage:
    """The SDK has no batches; the format's JSON in a list is one."""
    bodies = [JSONFormat().write(event) for event in events]
    return HTTPMessage({"content-type": "application/cloudevents-batch+json"}, b"[" + b",".join(bodies) + b"]")


async def test_an_event_is_the_same_in_every_mode(ingest: Ingest) -> None:
    event = an_event(subject="Ada", partitionkey="x", myflag="true", traceparent=TRACE)
    messages = [
        to_structured_event(event),
        to_binary_event(event),
        batch(event),
        to_structured_event(an_event(json.dumps(DATA).encode())),  # bytes: data_base64
        to_binary_event(an_event(json.dumps(DATA).encode())),
        to_binary_event(an_event(datacontenttype="application/vnd.shop+json; charset=utf-8")),
        to_binary_event(an_event(datacontenttype=None)),
    ]
    answers = [await post(ingest, message) for message in messages]
    assert [answer.status_code for answer in answers] == [202] * len(messages), [answer.text for answer in answers]
    found = await ingest.events(len(messages))
    assert {str(event.id) for event, _ in found} == {event_id("erp", f"/erp/größe\n{event.get_id()}")}
    for taken, data in found:
        assert (taken.type, taken.time) == ("purchase.completed", datetime(2026, 1, 1, 10, tzinfo=UTC))
        assert (data.identity.email, data.amount) == ("ada@example.com", "12.00")
    assert [taken.traceparent for taken, _ in found].count(TRACE) == 3


async def test_the_trace_of_the_request_goes_before_the_event_s_own(ingest: Ingest) -> None:
    await post(ingest, to_structured_event(an_event(traceparent=TRACE)), traceparent=OTHER_TRACE)
    await post(ingest, to_structured_event(an_event(traceparent="nonsense")))
    own, none = an_event(id="1", traceparent=TRACE), an_event(id="2")
    many = await post(ingest, batch(own, none, an_event(id="3", traceparent=OTHER_TRACE)))
    assert len(set(many.json()["ids"])) == 3
    found = {str(event.id): event.traceparent for event, _ in await ingest.events(5)}
    assert found[event_id("erp", f"/erp/größe\n{an_event().get_id()}")] is not None
    assert [found[each] for each in many.json()["ids"]][::2] == [TRACE, OTHER_TRACE]
    assert OTHER_TRACE in found.values()


@pytest.mark.parametrize(
    ("message", "status", "named"),
    [
        (to_binary_event(an_event("<a/>", datacontenttype="application/xml")), 415, "application/json"),
        (to_structured_event(an_event("<a/>", datacontenttype="application/xml")), 422, "/datacontenttype"),
        (to_structured_event(an_event(b"\x00\xff")), 422, "/data_base64"),
        (to_binary_event(an_event(b"\x00\xff")), 400, "not valid JSON"),
        (to_binary_event(an_event(None)), 422, "/data"),
        (to_structured_event(an_event("text", datacontenttype=None)), 422, "/data"),
        (HTTPMessage({"content-type": "application/cloudevents+xml"}, b"<a/>"), 415, "application/cloudevents+json"),
        (HTTPMessage({"content-type": "application/cloudevents+avro", "ce-specversion": "1.0"}, b"x"), 415, "json"),
        (HTTPMessage({"ce-specversion": "1.0", "ce-id": "%ff"}, b"{}"), 422, "/id"),
    ],
)
async def test_what_cannot_be_taken_is_told(ingest: Ingest, message: HTTPMessage, status: int, named: str) -> None:
    answer = await post(ingest, message)
    assert (answer.status_code, named in answer.text) == (status, True), answer.text


async def test_a_structured_event_may_have_headers_of_the_same(ingest: Ingest) -> None:
    answer = await post(ingest, to_structured_event(an_event(id="1")), **{"ce-specversion": "1.0", "ce-id": "other"})
    assert answer.json()["id"] == event_id("erp", "/erp/größe\n1")


async def test_of_a_batch_the_good_are_taken_and_the_bad_named(ingest: Ingest) -> None:
    answer = await post(ingest, batch(an_event(id="1"), an_event({}, id="2"), an_event(id="3")))
    assert answer.status_code == 202
    assert answer.json()["ids"] == [event_id("erp", f"/erp/größe\n{number}") for number in (1, 3)]
    assert {error["at"] for error in answer.json()["errors"]} == {"/1/data"}
