"""SQL on the outbox (table `facts`): a service's own events, written in the transaction that made them true."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.named import named
from shared.db.statement import Statement
from shared.events.lanes import Lane


class Fact(NamedTuple):
    """A row of the outbox: the event's id, its Kafka key, its bytes, and the lane by which it is published."""

    id: UUID
    key: bytes
    value: bytes
    lane: Lane = "live"


_LOCK: Final = sa.text("SELECT pg_try_advisory_lock(:lock)")
_INSERT: Final = Statement("""
    INSERT INTO facts (id, key, value, lane)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS bytea[]), CAST(:values AS bytea[]), CAST(:lanes AS text[]))
""")
_OLDEST: Final = sa.text("SELECT id, key, value, lane FROM facts WHERE parked_reason IS NULL ORDER BY id LIMIT :most")
_PARK: Final = sa.text("UPDATE facts SET parked_reason = :reason WHERE id = :id")
_FORGET: Final = sa.text("DELETE FROM facts WHERE id = ANY(CAST(:ids AS uuid[]))")


async def become_publisher(conn: AsyncConnection, lock: int) -> bool:
    """Whether this connection became the publisher, until it closes. All processes agree on `lock`."""
    return bool((await conn.execute(_LOCK, {"lock": lock})).scalar_one())


async def insert(conn: AsyncConnection, facts: Sequence[Fact]) -> None:
    """Insert facts in the transaction that makes them true."""
    if facts:
        ids, keys, values, lanes = zip(*facts, strict=True)
        arrays = {"ids": list(ids), "keys": list(keys), "values": list(values), "lanes": list(lanes)}
        await _INSERT.run(conn, arrays)


async def oldest(conn: AsyncConnection, most: int) -> list[Fact]:
    """The facts that have waited longest."""
    return [named(Fact, row) for row in await conn.execute(_OLDEST, {"most": most})]


async def forget(conn: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Delete facts that Kafka has acknowledged."""
    await conn.execute(_FORGET, {"ids": list(ids)})


async def park(conn: AsyncConnection, identifier: UUID, reason: str) -> None:
    """Set aside a fact that Kafka can never take."""
    await conn.execute(_PARK, {"id": identifier, "reason": reason})
