"""A real ingest on a real broker for the SDKs to talk to, and everything that it put on its topic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from services.ingest.app import build
from services.ingest.settings import IngestSettings
from shared.events.envelope import Decoded, decode
from shared.events.identity import derived_event_id
from shared.kafka.topics import Topics, create_topics
from shared.runtime.service import serving
from shared.secrets import ensure_state_secrets
from tests.support.ingest_service import all_sent
from tests.support.topics import records_on
from tests.support.waiting import until

NOWHERE = "127.0.0.1:1"
SOURCES = """
sources:
  app: {kind: segment, keys: [env:SDK_TEST_APP_KEY], trust: trusted}
  page: {kind: form, keys: [env:SDK_TEST_PAGE_KEY], origins: [ORIGIN]}
  erp: {kind: api, keys: [env:SDK_TEST_ERP_KEY]}
"""


class Ingest(NamedTuple):
    """Where it is, its keys, and where its events go."""

    url: str
    http: httpx.AsyncClient
    keys: dict[str, str]
    kafka: str
    topics: Topics

    def key(self, name: str) -> str:
        return self.keys[f"SDK_TEST_{name.upper()}_KEY"]

    async def answers(self, path: str, status: int) -> float:
        """How many answers of this status the path has given."""
        wanted = f'firsthour_ingest_answers_total{{path="{path}",status="{status}"}} '
        lines = (await self.http.get("/metrics")).text.splitlines()
        return next((float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted)), 0)

    async def events(self, least: int) -> list[Decoded]:
        """All that it has accepted, once it is at least so many."""
        await all_sent(self.http)
        return [decode(record.value) for record in await records_on(self.kafka, self.topics.events, least)]


def event_id(source: str, message_id: str) -> str:
    """The id that an event of this message has, however often it is sent."""
    return str(derived_event_id(f"/sources/{source}", message_id))


@asynccontextmanager
async def running(
    kafka: str, prefix: str, folder: Path, *, port: int = 0, origin: str = "https://example.com", **settings: Any
) -> AsyncIterator[Ingest]:
    """Kafka `NOWHERE`: it is up and answers 503, when it has no spool."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "sources.yaml").write_text(SOURCES.replace("ORIGIN", f'"{origin}"'))
    keys = ensure_state_secrets(folder, [f"SDK_TEST_{name}_KEY" for name in ("APP", "PAGE", "ERP")])
    chosen = IngestSettings(kafka=kafka, topic_prefix=prefix, config=config, state=folder, **settings)
    topics = Topics(prefix)
    if kafka != NOWHERE:
        await create_topics(kafka, topics, partitions=2, replication=1)
    async with build(chosen) as service, serving(service, host="127.0.0.1", port=port) as bound:
        url = f"http://127.0.0.1:{bound}"
        async with httpx.AsyncClient(base_url=url, timeout=10) as http:
            ingest = Ingest(url, http, keys, kafka, topics)
            if kafka != NOWHERE:

                async def ready() -> bool:
                    return (await http.get("/readyz")).status_code == 200

                await until(ready)
            yield ingest
