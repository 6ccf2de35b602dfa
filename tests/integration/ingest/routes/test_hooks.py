"""Stripe, Shopify, WooCommerce, HubSpot and a sender of one's own, over real HTTP onto a real broker."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from services.ingest.app import build
from services.ingest.settings import IngestSettings
from shared.events.envelope import Decoded, decode
from shared.kafka.topics import Topics, create_topics
from shared.runtime.service import serving
from shared.secrets import ensure_state_secrets
from tests.support import senders
from tests.support.waiting import until

NAMES = ("HOOKS_TEST_OLD_SECRET", "HOOKS_TEST_NEW_SECRET")
SOURCES = """
sources:
  stripe: {kind: stripe, secrets: [env:HOOKS_TEST_OLD_SECRET, env:HOOKS_TEST_NEW_SECRET]}
  shopify: {kind: shopify, secrets: [env:HOOKS_TEST_OLD_SECRET, env:HOOKS_TEST_NEW_SECRET]}
  woocommerce: {kind: woocommerce, secrets: [env:HOOKS_TEST_OLD_SECRET, env:HOOKS_TEST_NEW_SECRET]}
  hubspot: {kind: hubspot, secrets: [env:HOOKS_TEST_OLD_SECRET, env:HOOKS_TEST_NEW_SECRET]}
  generic:
    kind: generic
    secrets: [env:HOOKS_TEST_OLD_SECRET, env:HOOKS_TEST_NEW_SECRET]
    signature: {scheme: standard-webhooks}
    events: [{when: {/type: lead}, type: lead.captured, fields: {email: /data/email}}]
  website: {kind: form}
"""
LEAD = b'{"type": "lead", "data": {"email": "ada@example.com"}}'


class Running:
    """A running ingest, and the senders that know its secrets."""

    def __init__(self, http: httpx.AsyncClient, kafka: str, topic: str, secrets: list[str], url: str) -> None:
        self.http, self.kafka, self.topic, self.secrets, self.url = http, kafka, topic, secrets, url

    def headers(
        self, sender: str, body: bytes, *, secret: str = "", late_s: float = 0, url: str = ""
    ) -> dict[str, str]:
        """As the sender would sign it, with the newer secret."""
        address = url or f"{self.url}/hooks/{sender}"
        return senders.signed(sender, body, secret or self.secrets[1], url=address, late_s=late_s)

    async def post(self, sender: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return await self.http.post(
            f"/hooks/{sender}", content=body, headers={"Content-Type": "application/json"} | headers
        )

    async def events(self, count: int) -> list[Decoded]:
        consumer = AIOKafkaConsumer(
            self.topic, bootstrap_servers=self.kafka, auto_offset_reset="earliest", group_id=None
        )
        await consumer.start()
        try:
            return [decode((await consumer.getone()).value) for _ in range(count)]
        finally:
            await consumer.stop()

    async def count(self, sender: str, result: str) -> float:
        line = f'firsthour_ingest_hooks_total{{result="{result}",sender="{sender}"}} '
        for each in (await self.http.get("/metrics")).text.splitlines():
            if each.startswith(line):
                return float(each.removeprefix(line))
        return 0.0


@asynccontextmanager
async def running(kafka: str, prefix: str, folder: Path, **more: Any) -> AsyncIterator[Running]:
    await create_topics(kafka, Topics(prefix), partitions=1, replication=1)
    config = folder / "config"
    config.mkdir()
    (config / "sources.yaml").write_text(SOURCES)
    made = ensure_state_secrets(folder, NAMES)
    settings = IngestSettings(kafka=kafka, topic_prefix=prefix, config=config, state=folder, **more)
    async with build(settings) as service, serving(service, host="127.0.0.1", port=0) as port:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=10) as http:

            async def ready() -> bool:
                return (await http.get("/readyz")).status_code == 200

            await until(ready)
            yield Running(http, kafka, Topics(prefix).events, [made[name] for name in NAMES], url)


@pytest.fixture
async def ingest(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(kafka, topic_prefix, tmp_path) as ingest:
        yield ingest


GOOD = {
    "stripe": (senders.documented("stripe", "checkout_session"), ["contact.identified", "purchase.completed"]),
    "shopify": (senders.documented("shopify", "order"), ["contact.identified", "purchase.completed"]),
    "woocommerce": (senders.documented("woocommerce", "order"), ["contact.identified", "purchase.completed"]),
    "hubspot": (senders.documented("hubspot", "contact"), ["lead.captured"]),
    "generic": (LEAD, ["lead.captured"]),
}


async def test_a_webhook_of_either_secret_is_taken_and_its_repetition_is_the_same_event(ingest: Running) -> None:
    for sender, (body, _types) in GOOD.items():
        for secret in ingest.secrets:
            answer = await ingest.post(sender, body, ingest.headers(sender, body, secret=secret))
            assert (answer.status_code, answer.text) == (200, "{}"), sender
        assert await ingest.count(sender, "taken") == 2
    events = await ingest.events(2 * sum(len(types) for _, types in GOOD.values()))
    for sender, (_body, types) in GOOD.items():
        of_it = [event for event, _data in events if event.source == f"/sources/{sender}"]
        assert sorted(event.type for event in of_it) == sorted(types * 2)
        assert len({event.id for event in of_it}) == len(types), "sent again, it is the same event"
    for _event, data in events:
        assert data.identity.email == "ada@example.com"


async def test_who_cannot_prove_to_be_the_sender_is_refused(ingest: Running) -> None:
    for sender, (body, _types) in GOOD.items():
        right = ingest.headers(sender, body)
        wrong = [
            {},
            ingest.headers(sender, body, secret="whsec_" + base64.b64encode(b"x" * 24).decode()),
            ingest.headers(sender, body + b" "),
        ]
        if sender not in ("shopify", "woocommerce"):  # these sign no time
            wrong += [ingest.headers(sender, body, late_s=late) for late in (310, -310)]
        for headers in wrong:
            answer = await ingest.post(sender, body, headers)
            assert answer.status_code == 401, (sender, headers)
            assert answer.headers["content-type"] == "application/problem+json"
            assert not any(secret in answer.text for secret in ingest.secrets)
        assert await ingest.count(sender, "unverified") == len(wrong)
        assert (await ingest.post(sender, body, right)).status_code == 200


async def test_what_is_nothing_to_us_is_answered_as_done(ingest: Running) -> None:
    bodies = {
        "stripe": b'{"id": "evt_1", "type": "price.updated", "data": {"object": {}}}',
        "shopify": b'{"id": 1, "financial_status": "pending"}',
        "woocommerce": b'{"id": 1, "status": "pending"}',
        "hubspot": b'[{"eventId": 1, "subscriptionType": "deal.creation", "objectId": 1}]',
        "generic": b'{"type": "other"}',
    }
    for sender, body in bodies.items():
        answer = await ingest.post(sender, body, ingest.headers(sender, body))
        assert (answer.status_code, answer.text) == (200, "{}"), sender
        assert await ingest.count(sender, "ignored") == 1
    ping = await ingest.post(
        "woocommerce", b"webhook_id=7", {"Content-Type": "application/x-www-form-urlencoded", "X-WC-Webhook-ID": "7"}
    )
    assert ping.status_code == 200


async def test_what_the_sender_would_only_send_again_is_counted_and_not_refused(ingest: Running) -> None:
    for sender in GOOD:
        answer = await ingest.post(sender, b"{", ingest.headers(sender, b"{"))
        assert answer.status_code == (422 if sender == "generic" else 200), sender
        assert await ingest.count(sender, "refused") == 1
    body = json.dumps({**json.loads(GOOD["shopify"][0]), "total_price": "much"}).encode()
    assert (await ingest.post("shopify", body, ingest.headers("shopify", body))).status_code == 200
    assert await ingest.count("shopify", "refused") == 2
    body = b'{"type": "lead", "data": {"email": "ada at example"}}'
    answer = await ingest.post("generic", body, ingest.headers("generic", body))
    assert answer.status_code == 422
    assert [error["at"] for error in answer.json()["errors"]] == ["/data/email"]
    assert "ada at example" not in answer.text


async def test_json_is_read_whatever_its_content_type_says(ingest: Running) -> None:
    for sender, (body, _types) in GOOD.items():
        for kind in ("application/x-www-form-urlencoded", "text/plain"):
            headers = ingest.headers(sender, body) | {"Content-Type": kind}
            assert (await ingest.post(sender, body, headers)).status_code == 200
        assert await ingest.count(sender, "taken") == 2


async def test_there_is_a_hook_only_where_a_source_says_so(ingest: Running) -> None:
    for path in ("/hooks/website", "/hooks/nobody", "/hooks/", "/hooks/stripe/x"):
        assert (await ingest.http.post(path, content=b"{}")).status_code == 404, path
    assert (await ingest.http.post("/f/stripe", data={"email": "a@example.com"})).status_code == 404
    large = b"[" + b" " * 600_000 + b"]"
    assert (await ingest.post("stripe", large, ingest.headers("stripe", large))).status_code == 413


async def test_behind_a_proxy_hubspot_signs_the_public_url(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    public = "https://in.example.com/firsthour"
    async with running(kafka, topic_prefix, tmp_path, ingest_public_url=f"{public}/") as ingest:
        body = GOOD["hubspot"][0]
        inside = ingest.headers("hubspot", body)
        assert (await ingest.post("hubspot", body, inside)).status_code == 401
        outside = ingest.headers("hubspot", body, url=f"{public}/hooks/hubspot")
        assert (await ingest.post("hubspot", body, outside)).status_code == 200
        named = ingest.headers("hubspot", body, url=f"{public}/hooks/hubspot?to=a@b")
        answer = await ingest.http.post("/hooks/hubspot?to=a%40b", content=body, headers=named)
        assert answer.status_code == 200
