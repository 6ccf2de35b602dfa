"""Whatever way an event came in, it leaves ingest as its schema in docs/schemas says; and the log names nobody."""

import asyncio
import base64
import functools
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jsonschema
import pytest

from services.ingest.domain.hooks.registry import SENDERS
from services.ingest.domain.segment.messages import TYPES as CALLS
from services.ingest.domain.segment.names import NAMES
from shared.events.types import DATA_TYPES, OURS
from shared.secrets import ensure_state_secrets
from tests.malformed.target import Record, Target, running_target
from tests.support import senders
from tests.support.ingest_service import running as running_in_process
from tests.support.stack import Stack, fresh_prefix

pytestmark = pytest.mark.xdist_group("ingest-contract")
ROOT: Final = Path(__file__).parents[4]
SEED: Final = "s33dofnothing"  # in every address and name that is sent; the log may not hold it
EMAIL: Final = f"{SEED}@example.com"
PHONE: Final = "+441632960961"
WHO: Final = {"identity": {"email": EMAIL}}
SECRET_NAMES: Final = ("CONTRACT_SECRET", "CONTRACT_VERIFY_TOKEN", "CONTRACT_ACCESS_TOKEN")
SOURCES: Final = """
sources:
  website: {kind: form, keys: [env:MALFORMED_WEBSITE_KEY], form: {title: Talk, inputs: [{name: email, label: E-mail, type: email}]}}
  shop: {kind: api, keys: [env:MALFORMED_SHOP_KEY]}
  app: {kind: segment, keys: [env:MALFORMED_APP_KEY], lane: bulk, trust: trusted}
  meta:
    kind: meta
    secrets: [env:CONTRACT_SECRET]
    options: {verify_token: env:CONTRACT_VERIFY_TOKEN, access_token: env:CONTRACT_ACCESS_TOKEN}
  generic:
    kind: generic
    secrets: [env:CONTRACT_SECRET]
    signature: {scheme: standard-webhooks}
    events: [{type: lead.captured, fields: {email: /email}}]
""" + "".join(
    f"  {kind}: {{kind: {kind}, secrets: [env:CONTRACT_SECRET]}}\n" for kind in SENDERS if kind not in ("meta", "generic")
)  # fmt: skip
CLOUD_EVENTS: Final[dict[str, dict[str, Any]]] = {
    "lead.captured": {**WHO, "name": SEED, "estimated_value": {"amount": "500.00", "currency": "EUR"}},
    "contact.identified": {**WHO, "traits": {"country": "DE"}},
    "engagement.recorded": {**WHO, "kind": "page_viewed", "properties": {"depth": {"is": [1, 2.5, None]}}},
    "purchase.completed": {**WHO, "order_id": "1", "amount": "10.50", "currency": "EUR", "items": [{"sku": "a"}]},
    "purchase.refunded": {**WHO, "order_id": "1", "amount": "10.50", "currency": "EUR"},
    "contact.touched": {**WHO, "who": "ana", "channel": "phone", "outcome": "reached", "human": True},
    "referral.made": {**WHO, "referred": {"email": f"friend-{EMAIL}"}},
    "feedback.given": {**WHO, "score": 9, "text": SEED},
    "consent.changed": {**WHO, "channel": "email", "given": True, "wording": SEED},
    "cost.recorded": {"amount": "99.00", "currency": "EUR", "source": "google", "period_start": "2026-01-01T00:00:00Z"},
}
LEAD: Final = {
    "email": EMAIL, "phone": PHONE, "name": SEED, "company": SEED, "interest": "pricing", "message": SEED,
    "estimated_value": {"amount": "500.00", "currency": "EUR"}, "campaign": {"source": "google", "medium": "cpc"},
    "consent": {"email": True, "wording": SEED}, "traits": {"a": [1, {"b": None}]}, "occurred_at": "2999-01-01T00:00:00Z",
}  # fmt: skip
PURCHASE: Final = {
    "email": EMAIL, "order_id": "A-1", "amount": "129.90", "currency": "EUR", "margin": "-3", "coupon": "SPRING",
    "items": [{"sku": "x", "quantity": 2, "price": "64.95"}],
}  # fmt: skip


@dataclass
class Run:
    """One ingest that was sent something by every way in."""

    target: Target
    folder: Path
    secrets: dict[str, str]
    expected: Counter[str] = field(default_factory=Counter)  # source → at least so many events

    def sent(self, source: str, answer: Any, events: int = 1) -> None:
        assert answer.status in (200, 202), answer
        assert b'"errors"' not in answer.body, answer
        self.expected[f"/sources/{source}"] += events

    @functools.cached_property
    def records(self) -> list[Record]:
        def enough(found: list[Record]) -> bool:
            return Counter(record.event["source"] for record in found) >= self.expected

        return self.target.arrivals.wait_for(enough)


@contextmanager
def graph() -> Iterator[str]:
    """Meta's Graph API with the one lead that it documents; its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = senders.documented("meta", "graph_answer")
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def run(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("contract")
    (folder / "state").mkdir()
    secrets = ensure_state_secrets(folder / "state", SECRET_NAMES)
    with fresh_prefix(stack) as prefix, graph() as graph_url:
        asyncio.run(spool(prefix, folder / "state"))
        settings = {"FIRSTHOUR_INGEST_GRAPH_URL": graph_url, "FIRSTHOUR_INGEST_PUBLIC_URL": "https://in.example"}
        with running_target(stack.kafka, prefix, folder, SOURCES, settings) as target:
            run = Run(target, folder, secrets)
            run.expected["/sources/plain"] += 1  # from the spool
            for way in (plain, segment, cloud_events, forms, hooks):
                way(run)
            files(run, stack.kafka, prefix)
            refused(run)
            yield run


async def spool(prefix: str, state: Path) -> None:
    """One that waited on disk: taken by a process without Kafka, which is gone when the target starts."""
    async with running_in_process("127.0.0.1:1", prefix, state) as cut_off:
        form = {"email": EMAIL, "name": SEED}
        answer = await cut_off.http.post("/f/plain", data=form, headers={"Accept": "application/json"})
        assert answer.status_code == 202
    assert list(state.glob("spool/*/*.events"))


def plain(run: Run) -> None:
    run.sent("website", run.target.post("/v1/leads", LEAD, "WEBSITE"))
    run.sent("shop", run.target.post("/v1/purchases", PURCHASE, "SHOP"))


def segment(run: Run) -> None:
    """Every call and every name of the table; as a server, and as a page that may not say everything."""
    properties = {
        "order_id": "7", "total": 99.5, "currency": "EUR", "email": EMAIL, "rating": 4, "review_body": SEED,
        "invitee_email": f"friend-{EMAIL}", "products": [{"sku": "x", "price": 9, "quantity": 2}],
        "url": "https://example.com/?utm_source=google&gclid=1",
    }  # fmt: skip
    context = {"campaign": {"source": "google"}, "traits": {"email": EMAIL}, "page": {"url": "https://example.com/"}}
    who = {"userId": SEED, "anonymousId": "a-1", "context": context, "timestamp": "2026-01-01T10:00:00Z"}
    calls: dict[str, dict[str, Any]] = {
        "track": {"event": "Trial Started", "properties": properties},
        "identify": {"traits": {"email": EMAIL, "phone": PHONE, "address": {"country": "DE"}}},
        "page": {"name": "Pricing", "properties": properties},
        "screen": {"name": "Home", "properties": properties},
        "group": {"groupId": "g-1", "traits": {"name": SEED, "employees": 12}},
        "alias": {"previousId": "a-1"},
    }
    assert set(calls) == set(CALLS)
    for key, source in (("APP", "app"), ("WEBSITE", "website"), ("SHOP", "shop")):
        for name, call in calls.items():
            run.sent(source, run.target.post(f"/v1/{name}", who | call, key))
        tracks = [{"type": "track", "event": row.name, "properties": properties, **who} for row in NAMES]
        for path in ("batch", "import"):
            run.sent(source, run.target.post(f"/v1/{path}", {"batch": tracks}, key), len(NAMES))


def cloud_events(run: Run) -> None:
    """Every type that is taken, in all three modes."""
    assert set(CLOUD_EVENTS) == set(DATA_TYPES) - set(OURS)
    events = [
        {"specversion": "1.0", "id": name, "source": "/erp", "type": name, "data": data}
        for name, data in CLOUD_EVENTS.items()
    ]
    for event in events:
        structured = {"Content-Type": "application/cloudevents+json"}
        run.sent("shop", run.target.post("/v1/events", event, "SHOP", **structured))
        attributes = {f"ce-{name}": value for name, value in event.items() if isinstance(value, str)}
        run.sent("shop", run.target.post("/v1/events", event["data"], "SHOP", **attributes))
    batched = {"Content-Type": "application/cloudevents-batch+json"}
    run.sent("shop", run.target.post("/v1/events", events, "SHOP", **batched), len(events))


def forms(run: Run) -> None:
    fields = {"email": EMAIL, "phone": PHONE, "name": SEED, "message": SEED, "utm_source": "google", "consent": "yes"}
    run.sent("website", run.target.form("website", fields))
    run.sent("website", run.target.post("/f/website", fields, Accept="application/json"))
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    body = ("".join(parts) + "--b--\r\n").encode()
    kind = {"Content-Type": "multipart/form-data; boundary=b", "Accept": "application/json"}
    run.sent("website", run.target.request("POST", "/f/website", body, kind))


def hooks(run: Run) -> None:
    """Every documented body of every sender. At least one event of each sender, and no way to tell of how many."""
    secret = run.secrets["CONTRACT_SECRET"]
    body = json.dumps({"email": EMAIL}).encode()
    own = senders.Sent("generic", "lead", body, senders.signed("generic", body, secret))
    several = [*senders.everything(secret, "https://in.example"), own]
    assert {sent.sender for sent in several} == set(SENDERS)
    for sent in several:
        kind = {"Content-Type": "application/json"}
        answer = run.target.request("POST", f"/hooks/{sent.sender}", sent.body, kind | sent.headers)
        assert answer.status == 200, (sent.sender, sent.name, answer)
    run.expected.update({f"/sources/{kind}": 1 for kind in SENDERS})


def files(run: Run, kafka: str, prefix: str) -> None:
    leads, jsonl = run.folder / "leads.csv", run.folder / "purchases.jsonl"
    leads.write_text(f"email,phone,name,message,size,created_at\n{EMAIL},{PHONE},{SEED},{SEED},12,2026-01-01\n")
    jsonl.write_text(json.dumps(PURCHASE) + "\n")
    environment = {
        "PATH": os.environ["PATH"],
        "FIRSTHOUR_KAFKA": kafka,
        "FIRSTHOUR_TOPIC_PREFIX": prefix,
        "FIRSTHOUR_STATE": str(run.folder / "state"),
    }
    for file in (leads, jsonl):
        command = [sys.executable, "-m", "services.cli.main", "import", str(file), "--yes", "--json"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert SEED not in done.stdout + done.stderr
        run.expected["/sources/import"] += 1


def refused(run: Run) -> None:
    """What is wrong is logged too, and without a value."""
    target = run.target
    wrong_key = {"Authorization": f"Bearer {SEED}-key"}
    basic = {"Authorization": "Basic " + base64.b64encode(f"{SEED}-key:".encode()).decode()}
    for headers in (wrong_key, basic):
        assert target.post("/v1/leads", LEAD, **headers).status == 401
    assert target.post("/v1/track", {"writeKey": f"{SEED}-key", "userId": SEED, "event": "x"}).status == 401
    assert target.post("/v1/leads", {"email": f"{SEED} at example.com", EMAIL: [1]}, "WEBSITE").status == 422
    assert target.post("/v1/leads", f"{SEED}", "WEBSITE").status == 400
    assert target.post("/v1/purchases", {**PURCHASE, "amount": SEED}, "SHOP").status == 422
    assert target.post("/v1/batch", {"batch": [{"type": SEED}, {"type": "track", "event": EMAIL}]}, "APP").status == 200
    assert target.form("website", {"email": SEED}).status == 422
    assert target.request("GET", f"/v1/projects/{target.keys['WEBSITE']}/settings?{EMAIL}").status == 200
    assert target.request("GET", f"/v1/projects/{SEED}-key/settings").status == 404
    assert target.request("POST", f"/f/{EMAIL}?email={EMAIL}", b"").status == 404
    assert target.request("POST", "/hooks/stripe", b"{}", {"Stripe-Signature": f"t=1,v1={SEED}"}).status == 401
    body = json.dumps({"email": SEED}).encode()
    headers = {"Content-Type": "application/json", **senders.signed("generic", body, run.secrets["CONTRACT_SECRET"])}
    assert target.request("POST", "/hooks/generic", body, headers).status == 422


@functools.cache
def validator(kind: str) -> Any:
    document = json.loads((ROOT / "docs" / "schemas" / f"{kind}.json").read_text())
    return jsonschema.Draft202012Validator(document, format_checker=jsonschema.FormatChecker())


def test_every_way_in_arrives(run: Run) -> None:
    found = {(record.event["source"], record.event["type"]) for record in run.records}
    assert {source for source, _ in found} == set(run.expected)
    assert {kind for _, kind in found} == set(CLOUD_EVENTS), "every type that may come from outside"


def test_what_leaves_is_what_its_schema_says(run: Run) -> None:
    for record in run.records:
        validator(record.event["type"]).validate(record.event)


def test_what_leaves_is_a_cloudevent_with_an_opaque_key(run: Run) -> None:
    for record in run.records:
        event = record.event
        assert event["specversion"] == "1.0"
        assert event.keys() <= {
            "specversion", "id", "source", "type", "time", "receivedtime", "subject", "data", "traceparent", "claimedtime",
            "trust", "undated",
        }  # fmt: skip
        assert all(name.isascii() and name.isalnum() and name.islower() for name in event), "as CloudEvents names them"
        assert urlsplit(event["source"]).path == event["source"]
        assert event["time"] <= event["receivedtime"]
        assert record.headers == (("content-type", b"application/cloudevents+json"),)
        assert len(record.key) == 32
        assert SEED.encode() not in record.key


def test_the_log_names_nobody_and_no_key(run: Run) -> None:
    assert run.records
    log = run.target.log()
    assert log.count('"accepted"') > 50, "the most talkative level"
    for secret in (
        SEED,
        PHONE,
        PHONE.removeprefix("+44"),
        "ada@",
        "Lovelace",
        *run.target.keys.values(),
        *run.secrets.values(),
    ):
        assert secret not in log, secret
    assert "request_failed" not in log
