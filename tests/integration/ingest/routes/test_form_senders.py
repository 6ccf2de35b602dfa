"""Typeform, Tally, Calendly and Google from end to end: sources.yaml, the signature, the sender's answer, the events."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from services.ingest.app import build
from services.ingest.settings import IngestSettings
from shared.clock import utc_now
from shared.events.envelope import Decoded, decode
from shared.kafka.topics import Topics, create_topics
from shared.runtime.service import serving
from shared.secrets import ensure_state_secrets
from tests.support.waiting import until

SOURCES = """
sources:
  typeform: {kind: typeform, secrets: [env:SENDERS_TEST_SECRET], fields: {interest: "Which product?"}}
  tally: {kind: tally, secrets: [env:SENDERS_TEST_SECRET]}
  calendly: {kind: calendly, secrets: [env:SENDERS_TEST_SECRET]}
  google: {kind: google, secrets: [env:SENDERS_TEST_SECRET]}
"""
FIXTURES = Path(__file__).parents[3] / "unit" / "ingest" / "hooks"
Sign = Callable[[bytes, str], dict[str, str]]


def digest(body: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).digest()


def calendly(body: bytes, secret: str) -> dict[str, str]:
    stamp = int(utc_now().timestamp())
    return {"Calendly-Webhook-Signature": f"t={stamp},v1={digest(b'%d.' % stamp + body, secret).hex()}"}


SENDERS: list[tuple[str, str, Sign, list[str]]] = [
    ("typeform", "form_response", lambda body, secret: {"Typeform-Signature": "sha256=" + base64.b64encode(digest(body, secret)).decode()}, ["lead.captured"]),
    ("tally", "form_response", lambda body, secret: {"Tally-Signature": base64.b64encode(digest(body, secret)).decode()}, ["lead.captured"]),
    ("calendly", "invitee_created", calendly, ["engagement.recorded", "lead.captured"]),
    ("google", "lead", lambda _body, _secret: {}, ["lead.captured"]),
]  # fmt: skip


class Running:
    """A running ingest with one source of each."""

    def __init__(self, http: httpx.AsyncClient, kafka: str, topic: str, secret: str) -> None:
        self.http, self.kafka, self.topic, self.secret = http, kafka, topic, secret

    def body(self, sender: str, name: str, **change: Any) -> bytes:
        """The recorded body as if it were of today, with this key of Google's."""
        recent = f"{utc_now() - timedelta(minutes=5):%Y-%m-%dT%H:%M}"
        text = (FIXTURES / sender / f"{name}.json").read_text().replace("2026-03-10T11:55", recent)
        document = json.loads(text.replace("the-right-key", self.secret))
        return json.dumps(document | change).encode()

    async def post(self, sender: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return await self.http.post(f"/hooks/{sender}", content=body, headers=headers)

    async def events(self, count: int) -> list[Decoded]:
        consumer = AIOKafkaConsumer(
            self.topic, bootstrap_servers=self.kafka, auto_offset_reset="earliest", group_id=None
        )
        await consumer.start()
        try:
            return [decode((await consumer.getone()).value) for _ in range(count)]
        finally:
            await consumer.stop()


@pytest.fixture
async def ingest(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Running]:
    await create_topics(kafka, Topics(topic_prefix), partitions=1, replication=1)
    config = tmp_path / "config"
    config.mkdir()
    (config / "sources.yaml").write_text(SOURCES)
    secret = ensure_state_secrets(tmp_path, ["SENDERS_TEST_SECRET"])["SENDERS_TEST_SECRET"]
    settings = IngestSettings(kafka=kafka, topic_prefix=topic_prefix, config=config, state=tmp_path)
    async with (
        build(settings) as service,
        serving(service, host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http,
    ):

        async def ready() -> bool:
            return (await http.get("/readyz")).status_code == 200

        await until(ready)
        yield Running(http, kafka, Topics(topic_prefix).events, secret)


async def test_each_sender_is_verified_taken_and_its_repetition_is_the_same(ingest: Running) -> None:
    expected: list[str] = []
    for sender, name, sign, types in SENDERS:
        body = ingest.body(sender, name)
        for _ in range(2):
            answer = await ingest.post(sender, body, sign(body, ingest.secret))
            assert (answer.status_code, answer.text) == (200, "{}"), sender
        expected += types * 2
    events = await ingest.events(len(expected))
    assert sorted(event.type for event, _data in events) == sorted(expected)
    assert len({event.id for event, _data in events}) == len(expected) / 2
    assert {data.identity.email for _event, data in events} == {"ada@example.com"}
    (lead, _again) = (data for event, data in events if event.source == "/sources/typeform")
    assert lead.interest == "Engine"


async def test_a_wrong_secret_is_401_for_each(ingest: Running) -> None:
    for sender, name, sign, _types in SENDERS:
        body = ingest.body(sender, name).replace(ingest.secret.encode(), b"wrong")
        answer = await ingest.post(sender, body, sign(body, "wrong"))
        assert answer.status_code == 401, sender
        assert ingest.secret not in answer.text


async def test_a_test_of_googles_is_counted_and_no_lead(ingest: Running) -> None:
    test, real = ingest.body("google", "lead", is_test=True, lead_id="test"), ingest.body("google", "lead")
    assert [(await ingest.post("google", body, {})).status_code for body in (test, real)] == [200, 200]
    metrics = (await ingest.http.get("/metrics")).text
    assert 'firsthour_ingest_hooks_total{result="ignored",sender="google"} 1.0' in metrics
    ((_event, lead),) = await ingest.events(1)
    assert lead.name == "Ada Lovelace"
