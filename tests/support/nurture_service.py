"""Nurture as a whole in this process, on the real Kafka and Postgres, fed with updates as scoring publishes them."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import sqlalchemy as sa
from msgspec.structs import replace
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.app import build
from services.nurture.domain.enrolment import decode_enrolment, encode_enrolment
from services.nurture.settings import NurtureSettings
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from shared.events.consent import ConsentWord
from shared.events.envelope import Trust, encode, make_event
from shared.events.identity import Identity
from shared.events.types import ContactTouched, EngagementRecorded, LeadCaptured, PurchaseCompleted
from shared.events.updates import Booking, ContactView, Update, Values, encode_update, update_key
from shared.kafka.producer import Producer
from shared.kafka.records import Outgoing
from shared.kafka.topics import Topics, create_topics
from shared.runtime.service import serving
from shared.secrets import write_private
from tests.support.producing import producing

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "test-token"

ONE_WEBHOOK = """
workflow: first-hour
trigger: {on: lead.captured, max_age: 60m}
reentry: once_per 30d
goal: {on: purchase.completed}
window: {length: 60m, stops_on: human_touch}
steps:
  - send: {webhook: crm}
"""


def endpoints(webhooks: Mapping[str, str], *, smtp_port: int | None = None, concurrency: int = 4) -> str:
    """An endpoints.yaml."""
    document: dict[str, Any] = {
        "webhooks": {
            name: {"url": url, "secrets": ["env:HOOK_SECRET"], "concurrency": concurrency, "allow_private": True}
            for name, url in webhooks.items()
        },
        "reps": {"ana": {"email": "ana@example.org"}, "ben": {"email": "ben@example.org"}},
    }
    if smtp_port is not None:
        document["email"] = {"smtp": f"smtp://127.0.0.1:{smtp_port}", "from": "Ada <hello@example.com>"}
    return json.dumps(document)  # JSON is YAML


def a_contact(contact_id: UUID | None = None, **changes: Any) -> ContactView:
    """A contact as scoring publishes it."""
    view = ContactView(
        id=contact_id or new_id(),
        version=1,
        currency="EUR",
        stage="lead",
        created=utc_now(),
        email="ada@example.com",
        name="Ada",
        country="GB",
        time_zone="Europe/London",
    )
    return msgspec.structs.replace(view, **changes)


def an_update(
    contact: ContactView,
    kind: str = "lead.captured",
    *,
    event_id: UUID | None = None,
    time: datetime | None = None,
    lead: int = 60_000,
    merged: list[UUID] | None = None,
    parted: list[UUID] | None = None,
    consents: list[ConsentWord] | None = None,
    trust: Trust = "trusted",
    **data: Any,
) -> tuple[UUID, bytes]:
    """An update's id and bytes."""
    identifier, now = event_id or new_id(), utc_now()
    identity = Identity(email=contact.email)
    struct: Any
    match kind:
        case "lead.captured":
            struct = LeadCaptured(identity=identity, form="contact", interest="pricing", **data)
        case "purchase.completed":
            struct = PurchaseCompleted(identity=identity, order_id="A-1", amount="10.00", currency="EUR", **data)
        case "contact.touched":
            struct = ContactTouched(identity=identity, who="ana", channel="phone", human=True, **data)
        case _:
            struct = EngagementRecorded(identity=identity, kind="page_viewed", **data)
    event = make_event(
        id=identifier, source="/sources/website", type=kind, time=time or now, receivedtime=now, subject=None,
        data=struct, trust=trust,
    )  # fmt: skip
    update = Update(
        contact=contact,
        before=Values(0, 0),
        after=Values(lead, 0),
        bookings=[Booking("lead", "prior", lead, "scorecard-1")],
        event=msgspec.Raw(encode(event)),
        event_type=kind,
        merged=merged or [],
        parted=parted or [],
        consents=consents or [],
    )
    return identifier, encode_update(update, event_id=identifier, time=now, traceparent=None)


@dataclass
class Nurture:
    """A configured nurture: start it, feed it, look into its database and its API."""

    kafka: str
    database: str
    prefix: str
    folder: Path
    producer: Producer
    engine: AsyncEngine
    port: int = 0
    instance: str = "one"
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def topics(self) -> Topics:
        return Topics(self.prefix)

    def configure(self, endpoints_yaml: str, *workflows: str, templates: Mapping[str, str] | None = None) -> None:
        config = self.folder / "config"
        (config / "workflows").mkdir(parents=True, exist_ok=True)
        (config / "templates").mkdir(exist_ok=True)
        (config / "endpoints.yaml").write_text(endpoints_yaml)
        for number, text in enumerate(workflows):
            (config / "workflows" / f"w{number}.yaml").write_text(text)
        for name, text in (templates or {}).items():
            (config / "templates" / name).write_text(text)
        write_private(self.folder / "state" / "secrets.env", f"HOOK_SECRET={SECRET}\n")

    @asynccontextmanager
    async def running(self, instance: str | None = None) -> AsyncIterator[None]:
        settings = NurtureSettings(
            kafka=self.kafka,
            database=SecretStr(self.database),
            config=self.folder / "config",
            state=self.folder / "state",
            topic_prefix=self.prefix,
            instance=instance or self.instance,
            admin_token=SecretStr(TOKEN),
            **{"canary": "off", **self.settings},
        )
        async with build(settings) as service, serving(service, host="127.0.0.1", port=0) as port:
            self.port = port
            yield

    async def publish(self, *updates: tuple[ContactView, bytes], bulk: bool = False) -> None:
        topic = self.topics.updates_bulk if bulk else self.topics.updates
        await self.producer.send_all([Outgoing(topic, update_key(contact.id), value) for contact, value in updates])

    async def feed(
        self, contact: ContactView, kind: str = "lead.captured", *, bulk: bool = False, **given: Any
    ) -> UUID:
        """Publish one update; returns the event's id."""
        identifier, value = an_update(contact, kind, **given)
        await self.publish((contact, value), bulk=bulk)
        return identifier

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.engine.connect() as conn:
            return [dict(row) for row in (await conn.execute(sa.text(statement), values)).mappings()]

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.engine.begin() as conn:
            await conn.execute(sa.text(statement), values)

    async def make_due(self) -> None:
        """Every wait is over now."""
        for row in await self.rows("SELECT id, document FROM enrolments WHERE status = 'active'"):
            with contextlib.suppress(msgspec.MsgspecError):
                run, now = decode_enrolment(row["document"]), utc_now()
                waiting = replace(run.waiting, until=now) if run.waiting else None
                await self.execute(
                    "UPDATE enrolments SET document = :document, due_at = :now WHERE id = :id",
                    id=run.id, now=now, document=encode_enrolment(replace(run, waiting=waiting)),
                )  # fmt: skip

    async def one(self, statement: str, **values: Any) -> Any:
        (row,) = await self.rows(statement, **values)
        (value,) = row.values()
        return value

    async def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            return await client.request(method, f"http://127.0.0.1:{self.port}{path}", **given)

    async def get(self, path: str, **params: Any) -> list[dict[str, Any]]:
        answer = await self.request("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@asynccontextmanager
async def a_nurture(kafka: str, database: str, prefix: str, folder: Path) -> AsyncIterator[Nurture]:
    """Topics made, a producer for updates, nothing running yet."""
    async with AsyncExitStack() as parts:
        await create_topics(kafka, Topics(prefix), partitions=2, replication=1)
        engine = make_engine(database, application="test", schema="nurture")
        parts.push_async_callback(engine.dispose)
        producer = await parts.enter_async_context(producing(kafka, client_id="test-updates"))
        yield Nurture(kafka, database, prefix, folder, producer, engine)
