"""A running scoring for a test, with its topics, tables and read API at hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from aiokafka import AIOKafkaProducer, ConsumerRecord
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.domain.context import type_of
from services.scoring.app import build
from services.scoring.domain.contact.contact import decode_state
from services.scoring.domain.funnel.places import Moves, Place, Step, Sums, moved
from services.scoring.domain.funnel.segments import Cell, CellSums
from services.scoring.settings import ScoringSettings
from shared.db.engine import make_engine
from shared.events.envelope import Decoded, encode
from shared.events.updates import UpdateEnvelope, decode_update
from shared.kafka.topics import Topics
from shared.runtime.service import serving
from tests.support.topics import records_on
from tests.support.waiting import until

CONFIG = Path(__file__).parents[2] / "config"
TOKEN = "of-this-test"
PARTITIONS = 12


@dataclass
class World:
    """What a scoring of this test works on, whether one runs or not."""

    kafka: str
    database: str
    topics: Topics
    state: Path
    engine: AsyncEngine
    producer: AIOKafkaProducer
    sent: int = 0

    def settings(self, config: Path, instance: str = "one") -> ScoringSettings:
        """Of a scoring that works on this."""
        return ScoringSettings(
            kafka=self.kafka,
            database=SecretStr(self.database),
            config=config,
            state=self.state,
            topic_prefix=self.topics.prefix,
            instance=instance,
            admin_token=SecretStr(TOKEN),
            scoring_port=0,
        )

    async def put(self, value: bytes, *, partition: int = 0, bulk: bool = False) -> None:
        """One message on the live lane or the bulk lane."""
        topic = self.topics.events_bulk if bulk else self.topics.events
        await self.producer.send_and_wait(topic, value, key=b"k", partition=partition)
        self.sent += 1

    async def tell(self, *events: Decoded, partition: int = 0, bulk: bool = False) -> None:
        """Events in this order on one partition."""
        for event, _data in events:
            await self.put(encode(event), partition=partition, bulk=bulk)

    async def settled(self) -> None:
        """Wait until everything sent is committed."""

        async def committed() -> bool:
            return bool(await self.one("SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets") == self.sent)

        await until(committed, 60)

    async def rows(self, sql: str, **given: Any) -> Sequence[Any]:
        """What a statement finds."""
        async with self.engine.begin() as conn:
            return (await conn.execute(sa.text(sql), given)).all()

    async def one(self, sql: str, **given: Any) -> Any:
        """The one value that a statement finds."""
        ((value,),) = await self.rows(sql, **given)
        return value

    async def messages(self, topic: str, count: int) -> list[ConsumerRecord]:
        """All messages of a topic, once there are so many."""
        return await records_on(self.kafka, topic, count)

    async def updates(self, count: int, topic: str | None = None) -> list[UpdateEnvelope]:
        """All updates, once there are so many, in the order of their contacts' versions."""
        found = [decode_update(each.value) for each in await self.messages(topic or self.topics.updates, count)]
        assert all(each.data.event_type == type_of(each.data.event) for each in found), "it is not asked for again"
        return sorted(found, key=lambda each: each.data.contact.version)

    async def books_balance(self) -> None:
        """Every contact's values are the sums of its bookings; nothing points to one that was merged away.

        And the sums of the funnel are a recount of everybody.
        """
        await self._funnel_adds_up()
        wrong = await self.rows("""
            SELECT c.id, c.lead_value, c.customer_value,
                   sum(b.amount) FILTER (WHERE b.account = 'lead') AS lead,
                   sum(b.amount) FILTER (WHERE b.account = 'customer') AS customer
            FROM contacts c LEFT JOIN bookings b ON b.contact_id = c.id GROUP BY c.id
            HAVING c.lead_value <> coalesce(sum(b.amount) FILTER (WHERE b.account = 'lead'), 0)
                OR c.customer_value <> coalesce(sum(b.amount) FILTER (WHERE b.account = 'customer'), 0)
        """)
        assert not wrong
        assert not await self.rows("""
            SELECT c.id FROM contacts c WHERE c.merged_into IS NOT NULL AND (
                EXISTS (SELECT 1 FROM bookings b WHERE b.contact_id = c.id)
                OR EXISTS (SELECT 1 FROM events e WHERE e.contact_id = c.id)
                OR EXISTS (SELECT 1 FROM identities i WHERE i.contact_id = c.id))
        """)

    async def _funnel_adds_up(self) -> None:
        async with self.engine.connect() as conn:
            await conn.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            states = (await conn.execute(sa.text("SELECT state FROM contacts WHERE merged_into IS NULL"))).scalars()
            counted = moved((None, decode_state(each)) for each in states)
            names = [*Place._fields, *Sums._fields]
            rows = (await conn.execute(sa.text(f"SELECT {', '.join(names)} FROM funnel"))).all()
            sums = {Place(*row[:5]): Sums(*row[5:]) for row in rows if any(row[5:])}
            of = ", ".join(Step._fields)
            rows = (await conn.execute(sa.text(f"SELECT {of}, contacts FROM funnel_steps"))).all()
            steps = {Step(*row[:4]): row[4] for row in rows if row[4]}
            names = [*Cell._fields, *CellSums._fields]
            rows = (await conn.execute(sa.text(f"SELECT {', '.join(names)} FROM segments"))).all()
            cells = {Cell(*row[:3]): CellSums(*row[3:]) for row in rows if any(row[3:])}
        assert Moves(sums, steps, cells) == counted


class Api:
    """The read API of a running scoring."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, **query: Any) -> Any:
        """What the path answers; it must be 200."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def pages(self, path: str, **query: Any) -> list[Any]:
        """All items of a list, page by page."""
        items: list[Any] = []
        page = await self.get(path, **query)
        items += page["items"]
        while page["next"]:
            page = await self.get(path, **query, cursor=page["next"])
            items += page["items"]
        return items


@asynccontextmanager
async def a_world(kafka: str, database: str, prefix: str, state: Path) -> AsyncIterator[World]:
    engine = make_engine(database, application="test", schema="scoring")
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        yield World(kafka, database, Topics(prefix), state, engine, producer)
    finally:
        await producer.stop()
        await engine.dispose()


@asynccontextmanager
async def scoring(world: World, *, instance: str = "one", config: Path = CONFIG) -> AsyncIterator[Api]:
    """A scoring that is ready."""
    async with (
        build(world.settings(config, instance)) as service,
        serving(service, host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
        ) as http,
    ):

        async def ready() -> bool:
            return (await http.get("/readyz")).status_code == 200

        await until(ready, 60)
        yield Api(http)
