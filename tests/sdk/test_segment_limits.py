"""Segment's limits, as its SDKs count on them: of a message, of a batch, of an id; and what is answered beyond."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sdk.ingest import Ingest, event_id, running


@pytest.fixture
async def ingest(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    async with running(kafka, topic_prefix, tmp_path) as ingest:
        yield ingest


def a_message(number: int = 0, *, size: int = 0, **more: Any) -> dict[str, Any]:
    """`size`: bytes of it as JSON."""
    message = {"type": "track", "userId": "u-1", "event": "Hello", "messageId": f"m-{number}", **more}
    if size:
        message["properties"] = {"text": ""}
        message["properties"]["text"] = "x" * (size - len(json.dumps(message, separators=(",", ":"))))
    return message


async def post(ingest: Ingest, body: Any, path: str = "batch", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    return await ingest.http.post(f"/v1/{path}", content=content, headers=headers, auth=(ingest.key("app"), ""))


async def test_a_message_has_at_most_32_kb_alone_and_in_a_batch(ingest: Ingest) -> None:
    assert (await post(ingest, a_message(1, size=32_768), "track")).status_code == 200
    assert (await post(ingest, a_message(2, size=32_769), "track")).status_code == 413
    batch = [a_message(3), a_message(4, size=32_769), a_message(5, size=32_768), {"type": "what"}]
    answer = await post(ingest, {"batch": batch})
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert [(error["index"], error["at"]) for error in answer.json()["errors"]] == [
        (1, "/batch/1"),
        (3, "/batch/3/type"),
    ]
    found = {str(event.id) for event, _ in await ingest.events(3)}
    assert found == {event_id("app", f"m-{number}") for number in (1, 3, 5)}


async def test_spaces_between_do_not_count(ingest: Ingest) -> None:
    wide = json.dumps({"batch": [a_message(1, size=32_768)]}, indent=40_000).encode()
    assert len(wide) > 80_000
    assert "errors" not in (await post(ingest, wide)).json()


async def test_a_batch_has_at_most_500_kb_packed_or_not(ingest: Ingest) -> None:
    batch = {"batch": [a_message(number, size=32_000) for number in range(16)]}
    assert (await post(ingest, batch)).status_code == 413
    packed = gzip.compress(json.dumps(batch).encode())
    assert (await post(ingest, packed, **{"Content-Encoding": "gzip"})).status_code == 413
    batch["batch"] = batch["batch"][:15]
    assert (await post(ingest, gzip.compress(json.dumps(batch).encode()), **{"Content-Encoding": "gzip"})).json() == {
        "success": True
    }
    assert len(await ingest.events(15)) == 15


async def test_a_batch_has_at_most_2500_messages(ingest: Ingest) -> None:
    one = {"type": "page", "userId": "u-1"}
    assert (await post(ingest, {"batch": [one] * 2501})).status_code == 413
    assert (await post(ingest, {"batch": [one] * 2500})).json() == {"success": True}
    assert len(await ingest.events(2500)) == 2500
    assert (await post(ingest, {"batch": []})).json() == {"success": True}


async def test_an_id_has_at_most_100_characters(ingest: Ingest) -> None:
    good, bad = a_message(messageId="m" * 100), a_message(messageId="m" * 101)
    answer = await post(ingest, {"batch": [good, bad]})
    assert [error["at"] for error in answer.json()["errors"]] == ["/batch/1/messageId"]
    assert (await post(ingest, bad, "track")).status_code == 422
    ((event, _),) = await ingest.events(1)
    assert str(event.id) == event_id("app", "m" * 100)


async def test_a_page_s_key_makes_no_money_alone_or_in_a_batch(ingest: Ingest) -> None:
    order = a_message(event="Order Completed", properties={"order_id": "o-1", "total": 5}) | {"messageId": None}
    page = ingest.key("page")
    for path, body in (("t", order | {"writeKey": page}), ("b", {"batch": [order], "writeKey": page})):
        answer = await ingest.http.post(f"/v1/{path}", content=json.dumps(body), headers={"Content-Type": "text/plain"})
        assert answer.json() == {"success": True}
    assert [(event.type, data.kind) for event, data in await ingest.events(2)] == [
        ("engagement.recorded", "order_completed")
    ] * 2
