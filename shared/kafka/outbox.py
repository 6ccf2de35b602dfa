"""Publishes what a service did as events: a fact is a row of the transaction that made it true, and goes out after it.

Rows left by a crash are published at the next start. The event's id is the row's id, so a fact published twice is still
one event. Urgent facts go at once, in the live lane; the rest is gathered and follows the leads, in the bulk lane.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import log
from shared.db.tables import facts as store
from shared.db.tables.facts import Fact
from shared.db.transient import suppress_transient, suppress_unless_transient
from shared.errors import Permanent
from shared.events.envelope import KAFKA_HEADERS, encode, make_event
from shared.events.identity import partition_key
from shared.events.lanes import Lane
from shared.kafka.producer import Producer, too_large
from shared.kafka.records import Outgoing
from shared.kafka.topics import Topics
from shared.runtime.pause import Rest, pause, pause_for_either

_LOG = log.get(__name__)
_AT_ONCE: Final = 2000
_GATHER_S: Final = 1.0  # how long facts that are not urgent wait for others
_REST_S: Final = 1.0  # between polls for the facts of other processes
_AGAIN_S: Final = 1.0


def fact_about(
    contact_id: UUID,
    kind: str,
    data: Struct,
    now: datetime,
    lane: Lane,
    *,
    source: str,
    identifier: UUID,
    key_secret: bytes,
) -> Fact:
    """An event of our own about a contact, of this type and `source`; its Kafka key is made with `key_secret`."""
    subject = f"contact:{contact_id}"
    event = make_event(
        id=identifier,
        source=source,
        type=kind,
        time=now,
        receivedtime=now,
        subject=subject,
        data=data,
        trust="trusted",
    )
    return Fact(identifier, partition_key(subject, key_secret), encode(event), lane)


class FactPublisher:
    """Publishes the outbox. Only the process that holds an advisory lock does, which keeps the order."""

    def __init__(
        self, engine: AsyncEngine, producer: Producer, topics: Topics, published: Counter, *, lock: int
    ) -> None:
        """Nothing happens before `run`. `lock`: the number of the service's own advisory lock."""
        self._lock = lock
        self._engine = engine
        self._producer = producer
        self._topic: Mapping[Lane, str] = {"live": topics.events, "bulk": topics.events_bulk}
        self._published = published
        self._new = asyncio.Event()
        self._urgent = asyncio.Event()

    def wake(self, *, urgent: bool = False) -> None:
        """There are new facts; `urgent` ones do not wait to be gathered."""
        self._new.set()
        if urgent:
            self._urgent.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish until `stopping`, then what is left, if Kafka takes it."""
        while not stopping.is_set():
            with suppress_transient() as failed:
                async with self._engine.connect() as connection:
                    conn = await connection.execution_options(isolation_level="AUTOCOMMIT")
                    if await store.become_publisher(conn, self._lock):
                        try:
                            await self._publish(conn, stopping)
                        finally:
                            await connection.invalidate()  # the lock ends with its connection, not with our use of it
            if failed.error is not None:
                _LOG.warning("facts_wait", reason=type(failed.error).__name__)
            await pause(stopping, _AGAIN_S)

    async def _publish(self, conn: AsyncConnection, stopping: asyncio.Event) -> None:
        rest = Rest(_REST_S)
        while True:
            ending = stopping.is_set()
            self._new.clear()
            self._urgent.clear()
            facts = await store.oldest(conn, _AT_ONCE)
            if facts:
                await self._send(conn, facts)
            if ending:
                return
            rest.looked(found=bool(facts))
            if len(facts) < _AT_ONCE:
                await pause_for_either(stopping, self._new, rest.seconds)
                if self._new.is_set():
                    await pause_for_either(stopping, self._urgent, _GATHER_S)

    async def _send(self, conn: AsyncConnection, facts: Sequence[Fact]) -> None:
        """Publish, and only then delete. A fact that Kafka can never take is parked; its neighbours go out."""
        outgoing = [Outgoing(self._topic[fact.lane], fact.key, fact.value, KAFKA_HEADERS) for fact in facts]
        with suppress_unless_transient() as failed:
            if any(too_large(each) for each in outgoing):
                raise Permanent("larger than a Kafka message may be")
            await self._producer.send_all(outgoing)
        error = failed.error
        if error is None:
            await store.forget(conn, [fact.id for fact in facts])
            self._published.inc(len(facts))
        elif len(facts) > 1:
            for some in (facts[: len(facts) // 2], facts[len(facts) // 2 :]):
                await self._send(conn, some)
        else:
            _LOG.error("fact_parked", fact=str(facts[0].id), exc_info=error)
            reason = str(error) if isinstance(error, Permanent) else type(error).__name__
            await store.park(conn, facts[0].id, reason)
