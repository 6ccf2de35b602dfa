"""Meta lead ads from end to end: a signed webhook, a Graph API that fails in every way, and what comes out on the topic."""

import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from services.ingest.app import build
from services.ingest.settings import IngestSettings
from shared.errors import ConfigurationError
from shared.events.envelope import Decoded, decode
from shared.kafka.topics import Topics, create_topics
from shared.runtime.service import serving
from shared.secrets import ensure_state_secrets
from tests.support.ingest_service import all_sent
from tests.support.topics import records_on
from tests.support.waiting import until
from tests.support.webhook_receiver import RESET, Behave, Received, Receiver, receiving, status

SOURCES = """
sources:
  ads:
    kind: meta
    secrets: [env:META_TEST_SECRET]
    options: {verify_token: env:META_TEST_VERIFY_TOKEN, access_token: env:META_TEST_ACCESS_TOKEN}
    fields: {interest: "what_do_you_need?"}
  website: {kind: form}
"""
NAMES = ("META_TEST_SECRET", "META_TEST_VERIFY_TOKEN", "META_TEST_ACCESS_TOKEN")
FIXTURES = Path(__file__).parents[3] / "unit" / "ingest" / "hooks" / "meta"
WEBHOOK = (FIXTURES / "leadgen.json").read_bytes()
ANSWER = (FIXTURES / "graph_answer.json").read_bytes()
JSON = "content-type: application/json"
EXPIRED = json.dumps({"error": {"message": "Session has expired", "type": "OAuthException", "code": 190}}).encode()


def ok(body: bytes = ANSWER) -> Behave:
    return status(200, JSON, body=body)


@dataclass
class Ads:
    """A running ingest with a source of Meta's, and the Graph API that it asks."""

    http: httpx.AsyncClient
    graph: Receiver
    kafka: str
    topic: str
    secrets: dict[str, str]

    async def webhook(self, body: bytes = WEBHOOK, secret: str | None = None) -> httpx.Response:
        key = secret or self.secrets["META_TEST_SECRET"]
        signature = "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        return await self.http.post("/hooks/ads", content=body, headers={"X-Hub-Signature-256": signature})

    async def events(self) -> list[Decoded]:
        """All that it has accepted."""
        await all_sent(self.http)
        return [decode(record.value) for record in await records_on(self.kafka, self.topic)]

    async def fetches(self) -> dict[str, float]:
        """How often each result of a fetch was counted."""
        lines = (await self.http.get("/metrics")).text.splitlines()
        found = [line for line in lines if line.startswith("firsthour_ingest_meta_fetches_total")]
        return {line.split('result="')[1].split('"')[0]: float(line.split(" ")[1]) for line in found}


@asynccontextmanager
async def running(kafka: str, prefix: str, folder: Path, graph: Receiver) -> AsyncIterator[Ads]:
    config = folder / "config"
    config.mkdir()
    (config / "sources.yaml").write_text(SOURCES)
    secrets = ensure_state_secrets(folder, NAMES)
    settings = IngestSettings(
        kafka=kafka, topic_prefix=prefix, config=config, state=folder, ingest_graph_url=graph.url("/v23.0")
    )
    async with (
        build(settings) as service,
        serving(service, host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http,
    ):
        yield Ads(http, graph, kafka, Topics(prefix).events, secrets)


@pytest.fixture
async def ads(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Ads]:
    await create_topics(kafka, Topics(topic_prefix), partitions=1, replication=1)
    async with receiving() as graph, running(kafka, topic_prefix, tmp_path, graph) as ads:

        async def ready() -> bool:
            return (await ads.http.get("/readyz")).status_code == 200

        await until(ready)
        yield ads


@contextmanager
def collected_logs() -> Iterator[list[str]]:
    """Every line that anything logs, the most talkative included."""
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.__dict__}")

    root, handler = logging.getLogger(), Collect()
    loggers = [root, logging.getLogger("httpx"), logging.getLogger("httpcore")]
    before = [logger.level for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


async def test_a_webhook_becomes_the_lead_that_graph_tells(ads: Ads) -> None:
    ads.graph.answers([ok()])
    answer = await ads.webhook()
    assert answer.status_code == 200, answer.text
    ((event, lead),) = await ads.events()
    assert (event.type, event.source, event.subject) == ("lead.captured", "/sources/ads", "email:ada@example.com")
    assert event.time.isoformat() == "2026-03-10T11:55:21+00:00"
    assert (lead.name, lead.interest, lead.campaign.source) == ("Ada Lovelace", "engine, training", "instagram")
    (asked,) = ads.graph.received
    assert asked.path.startswith("/v23.0/123123123123?fields=created_time,field_data,")
    assert asked.headers["authorization"] == f"Bearer {ads.secrets['META_TEST_ACCESS_TOKEN']}"
    assert await ads.fetches() == {"fetched": 1}


@pytest.mark.parametrize(
    ("failure", "result"),
    [
        pytest.param(status(500), "error", id="500"),
        pytest.param(status(404, JSON, body=b'{"error": {"code": 100}}'), "error", id="unknown"),
        pytest.param(status(429), "error", id="too-often"),
        pytest.param(status(400, JSON, body=EXPIRED), "token_refused", id="expired"),
        pytest.param(status(401), "token_refused", id="401"),
        pytest.param(ok(ANSWER[:-2] + b" " * 65_536 + b"}"), "unreadable", id="huge"),
        pytest.param(ok(ANSWER[:-10]), "unreadable", id="cut-off"),
        pytest.param(ok(b"[]"), "unreadable", id="a-list"),
        pytest.param(status(200, "content-encoding: gzip", body=ANSWER), "unreadable", id="packed"),
        pytest.param(RESET, "unreachable", id="reset"),
        pytest.param(
            Behave(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{", cut=True), "unreachable", id="half"
        ),
    ],
)
async def test_a_lead_that_cannot_be_fetched_comes_with_the_resend(ads: Ads, failure: Behave, result: str) -> None:
    ads.graph.answers([failure, ok()])
    answer = await ads.webhook()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert await ads.events() == []
    assert await ads.fetches() == {result: 1}
    assert (await ads.webhook()).status_code == 200
    ((_event, lead),) = await ads.events()
    assert lead.identity.email == "ada@example.com"


async def test_a_slow_graph_is_given_three_seconds(ads: Ads) -> None:
    ads.graph.answers([status(200, JSON, body=ANSWER, delay=30)])
    answer = await ads.webhook()
    assert answer.status_code == 503
    assert 2.5 < answer.elapsed.total_seconds() < 4.5
    assert await ads.fetches() == {"timeout": 1}
    ads.graph.answers([ok()])
    assert (await ads.webhook()).status_code == 200
    assert len(await ads.events()) == 1


async def test_a_redirect_is_not_followed(ads: Ads) -> None:
    ads.graph.answers([status(302, f"location: {ads.graph.url('/elsewhere')}")])
    assert (await ads.webhook()).status_code == 503
    assert [request.path.partition("?")[0] for request in ads.graph.received] == ["/v23.0/123123123123"]


async def test_meta_resending_what_was_taken_is_the_same_event(ads: Ads) -> None:
    ads.graph.behave = lambda _request: ok()
    assert [(await ads.webhook()).status_code for _ in range(3)] == [200, 200, 200]
    assert len({event.id for event, _lead in await ads.events()}) == 1


async def test_one_lead_that_cannot_be_fetched_keeps_none_of_the_others_away(ads: Ads) -> None:
    def only_the_second(request: Received) -> Behave:
        return ok() if "/2?" in request.path else status(500)

    changes = [{"field": "leadgen", "value": {"leadgen_id": each}} for each in ("1", "2")]
    body = json.dumps({"object": "page", "entry": [{"id": "9", "changes": changes}]}).encode()
    ads.graph.behave = only_the_second
    assert (await ads.webhook(body)).status_code == 503
    assert len(await ads.events()) == 1
    ads.graph.behave = lambda _request: ok()
    assert (await ads.webhook(body)).status_code == 200
    assert len({event.id for event, _lead in await ads.events()}) == 2


async def test_a_lead_with_nobody_in_it_is_not_asked_for_again(ads: Ads) -> None:
    ads.graph.answers([ok(b'{"id": "123123123123", "field_data": []}')])
    assert (await ads.webhook()).status_code == 200
    assert await ads.events() == []


async def test_a_wrong_signature_fetches_nothing(ads: Ads) -> None:
    assert (await ads.webhook(secret="wrong")).status_code == 401
    assert (await ads.http.post("/hooks/ads", content=WEBHOOK)).status_code == 401
    assert ads.graph.received == []


async def test_no_secret_and_no_address_is_logged_and_a_refused_token_is(
    ads: Ads, capsys: pytest.CaptureFixture[str]
) -> None:
    with collected_logs() as lines:
        ads.graph.answers([status(400, JSON, body=EXPIRED), status(500), ok()])
        answers = [await ads.webhook() for _ in range(3)]
    text = "\n".join([*lines, capsys.readouterr().out])  # structlog prints as long as nobody has configured it
    assert text.count("meta_token_refused") == 1
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert "v23.0/123123123123" in text, "httpx itself was heard, so that the rest means something"
    for secret in (*ads.secrets.values(), "ada@example.com", "Lovelace"):
        assert secret.lower() not in text.lower()
        assert all(secret not in answer.text for answer in answers)


async def test_the_setup_challenge_is_echoed_to_who_knows_the_token(ads: Ads) -> None:
    right = {
        "hub.mode": "subscribe",
        "hub.verify_token": ads.secrets["META_TEST_VERIFY_TOKEN"],
        "hub.challenge": "1158201444",
    }
    answer = await ads.http.get("/hooks/ads", params=right)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    for change in (
        {"hub.verify_token": "wrong"},
        {"hub.verify_token": ""},
        {"hub.verify_token": "é\ud7ff"},
        {"hub.mode": "unsubscribe"},
        {"hub.challenge": "<script>"},
        {"hub.challenge": "1\n"},
        {"hub.challenge": "1" * 129},
        {"hub.challenge": ""},
    ):
        refused = await ads.http.get("/hooks/ads", params=right | change)
        assert (refused.status_code, right["hub.verify_token"] in refused.text) == (403, False), change
    assert (await ads.http.get("/hooks/ads")).status_code == 403
    for name in ("website", "nothing"):
        assert (await ads.http.get(f"/hooks/{name}", params=right)).status_code == 404


@pytest.mark.parametrize("missing", ["verify_token", "access_token"])
async def test_a_missing_token_is_named_before_anything_starts(tmp_path: Path, missing: str) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "sources.yaml").write_text(SOURCES.replace(f"{missing}: ", "other: "))
    ensure_state_secrets(tmp_path, NAMES)
    with pytest.raises(ConfigurationError) as error:
        async with build(IngestSettings(config=config, state=tmp_path)):
            pass
    assert f"sources.ads.options.{missing}" in [problem.key for problem in error.value.problems]
