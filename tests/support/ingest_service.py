"""A running ingest on a real broker, and what it put on the topics."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer

from services.ingest.app import build
from services.ingest.settings import IngestSettings
from shared.events.envelope import Decoded, decode
from shared.kafka.topics import Topics
from shared.runtime.service import serving
from shared.secrets import ensure_state_secrets

SOURCES = """
sources:
  website:
    {kind: form, keys: [env:INGEST_TEST_WEBSITE_KEY], origins: ["https://example.com"], fields: {email: your-email}}
  plain: {kind: form, redirect: "https://example.com/thanks"}
  shop: {kind: api, keys: [env:INGEST_TEST_SHOP_KEY, env:INGEST_TEST_SHOP_NEXT_KEY]}
  app: {kind: segment, keys: [env:INGEST_TEST_APP_KEY], lane: bulk, trust: trusted}
"""


class Ingest:
    """A running ingest and what it put on the topics."""

    def __init__(self, http: httpx.AsyncClient, kafka: str, topics: Topics, keys: dict[str, str]) -> None:
        self.http, self.kafka, self.topics, self.keys = http, kafka, topics, keys

    def key(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[f'INGEST_TEST_{name}_KEY']}"}

    async def lead(self, lead: Any, **headers: str) -> httpx.Response:
        return await self.http.post("/v1/leads", json=lead, headers=self.key("WEBSITE") | headers)

    async def events(self, count: int, topic: str | None = None) -> list[tuple[bytes, Decoded]]:
        """The first `count` events of a topic, with their keys."""
        consumer = AIOKafkaConsumer(
            topic or self.topics.events, bootstrap_servers=self.kafka, auto_offset_reset="earliest", group_id=None
        )
        await consumer.start()
        try:
            found: list[tuple[bytes, Decoded]] = []
            async with asyncio.timeout(15):
                while len(found) < count:
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found += [(record.key, decode(record.value)) for record in records]
            return found
        finally:
            await consumer.stop()


@asynccontextmanager
async def running(
    kafka: str, prefix: str, folder: Path, *, sources: str = SOURCES, **settings: Any
) -> AsyncIterator[Ingest]:
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "sources.yaml").write_text(sources)
    keys = ensure_state_secrets(folder, [f"INGEST_TEST_{name}_KEY" for name in ("WEBSITE", "SHOP", "SHOP_NEXT", "APP")])
    chosen = IngestSettings(kafka=kafka, topic_prefix=prefix, config=config, state=folder, **settings)
    async with (
        build(chosen) as service,
        serving(service, host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http,
    ):
        yield Ingest(http, kafka, Topics(prefix), keys)
