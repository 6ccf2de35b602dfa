"""Segment's own SDK for Python, unchanged, against a real ingest."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import segment.analytics.request as segment_request
from segment.analytics.client import Client

from tests.sdk.ingest import NOWHERE, event_id, running
from tests.support.processes import free_ports
from tests.support.waiting import until

WHEN = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
ORDER = {
    "order_id": "o-1", "total": 30.5, "currency": "EUR",
    "products": [{"product_id": "a", "sku": "A-1", "name": "Engine", "price": 30.5, "quantity": 1}],
}  # fmt: skip
KINDS = {
    "m-track": "purchase.completed",
    "m-identify": "contact.identified",
    "m-page": "engagement.recorded",
    "m-screen": "engagement.recorded",
    "m-group": "contact.identified",
    "m-alias": "contact.identified",
    "m-anonymous": "engagement.recorded",
    "m-lead": "lead.captured",
}


@pytest.fixture(autouse=True)
def _closed_connections() -> Iterator[None]:
    yield
    segment_request._session.close()  # the SDK keeps them for as long as the program lives


def every_call(client: Client) -> None:
    client.track("u-1", "Order Completed", ORDER, timestamp=WHEN, message_id="m-track")
    client.identify("u-1", {"email": "Ada@Example.com", "firstName": "Ada", "createdAt": WHEN}, message_id="m-identify")
    client.page("u-1", "docs", "Home", {"url": "https://example.com/?gclid=g-1"}, message_id="m-page")
    client.screen("u-1", None, "Main", message_id="m-screen")
    client.group("u-1", "g-1", {"name": "Engines", "employees": 12}, message_id="m-group")
    client.alias("device-7", "u-1", message_id="m-alias")
    client.track(None, "Pricing Compared", anonymous_id="device-8", message_id="m-anonymous")
    lead = {"email": "bob@example.com", "first_name": "Bob"}
    client.track("u-2", "Signed Up", lead, {"ip": "8.8.8.8", "locale": "de"}, message_id="m-lead")


@pytest.mark.parametrize("options", [{"sync_mode": True}, {}, {"gzip": True}, {"sync_mode": True, "gzip": True}])
async def test_every_call_arrives(kafka: str, topic_prefix: str, tmp_path: Path, options: dict[str, Any]) -> None:
    failures: list[object] = []

    def use(url: str, key: str) -> None:
        client = Client(key, host=url, on_error=lambda error, _batch: failures.append(error), **options)
        every_call(client)
        if client.consumers:
            client.shutdown()

    async with running(kafka, topic_prefix, tmp_path) as ingest:
        await asyncio.to_thread(use, ingest.url, ingest.key("app"))
        found = {str(event.id): (event, data) for event, data in await ingest.events(len(KINDS))}
    assert failures == []
    assert {number: event.type for number, (event, _) in found.items()} == {
        event_id("app", message): kind for message, kind in KINDS.items()
    }
    arrived = {message: found[event_id("app", message)] for message in KINDS}
    bought, order = arrived["m-track"]
    assert (order.order_id, order.amount, order.currency, order.items[0].sku) == ("o-1", "30.5", "EUR", "A-1")
    assert abs((bought.time - WHEN).total_seconds()) < 5
    assert (arrived["m-identify"][1].identity.email, arrived["m-identify"][1].name) == ("ada@example.com", "Ada")
    assert arrived["m-page"][1].campaign.gclid == "g-1"
    assert (arrived["m-screen"][1].kind, arrived["m-screen"][1].what) == ("screen_viewed", "Main")
    assert arrived["m-group"][1].traits == {"company": "Engines", "size": 12, "group_id": "g-1"}
    assert arrived["m-alias"][1].identity.anonymous_id == "device-7"
    assert arrived["m-anonymous"][1].identity.anonymous_id == "device-8"
    lead = arrived["m-lead"][1]
    assert (lead.identity.email, lead.name, lead.traits["locale"]) == ("bob@example.com", "Bob", "de")


async def test_what_was_refused_for_now_is_sent_again_as_the_same_events(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    failures: list[object] = []
    url = f"http://127.0.0.1:{port}"
    async with running(NOWHERE, topic_prefix, tmp_path, port=port, ingest_spool_bytes=0) as cut_off:
        client = Client(cut_off.key("app"), host=url, on_error=lambda error, _batch: failures.append(error))
        await asyncio.to_thread(every_call, client)

        async def refused() -> bool:
            return await cut_off.answers("/v1/batch", 503) > 0

        await until(refused)
    async with running(kafka, topic_prefix, tmp_path, port=port) as back:
        await asyncio.to_thread(client.shutdown)
        ids = {str(event.id) for event, _ in await back.events(len(KINDS))}
    assert failures == []
    assert ids == {event_id("app", message) for message in KINDS}


async def test_messages_that_were_sent_twice_are_one_event_each(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    async with running(kafka, topic_prefix, tmp_path) as ingest:
        for _ in range(2):
            client = Client(ingest.key("app"), host=ingest.url, sync_mode=True)
            await asyncio.to_thread(every_call, client)
        ids = [str(event.id) for event, _ in await ingest.events(2 * len(KINDS))]
    assert len(ids) == 2 * len(KINDS)
    assert set(ids) == {event_id("app", message) for message in KINDS}


async def test_a_wrong_key_is_told_to_the_program(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    failures: list[Any] = []

    def use(url: str) -> None:
        client = Client("wrong", host=url, on_error=lambda error, _batch: failures.append(error))
        client.track("u-1", "Hello")
        client.shutdown()

    async with running(kafka, topic_prefix, tmp_path) as ingest:
        await asyncio.to_thread(use, ingest.url)
    assert [failure.status for failure in failures] == [401]
