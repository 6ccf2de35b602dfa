"""A running ingest on a real broker, and what it put on the topics."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from services.ingest.app import build
from services.ingest.settings import IngestSettings
from shared.events.envelope import Decoded, decode
from shared.kafka.topics import Topics
from shared.runtime.service import serving
from shared.secrets import ensure_state_secrets
from tests.support.topics import records_on
from tests.support.waiting import until

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
        """All events of a topic, with their keys, once there are at least so many."""
        await all_sent(self.http)
        found = await records_on(self.kafka, topic or self.topics.events, count)
        return [(record.key, decode(record.value)) for record in found]


async def all_sent(http: httpx.AsyncClient) -> None:
    """Wait until all that ingest has accepted is in Kafka: what Kafka does not take at once waits in the spool.

    ingest is ready before it has reached Kafka, so this may be true of the first that a test sends.
    """

    async def nothing_waits() -> bool:
        return await figure(http, "firsthour_ingest_spool_pending") == 0

    await until(nothing_waits)


async def figure(http: httpx.AsyncClient, name: str) -> float:
    """What ingest's metrics say of this one, which has no labels."""
    lines = (await http.get("/metrics")).text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).rpartition(" ")[2])


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
