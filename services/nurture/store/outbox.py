"""SQL on the outbox of facts."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection


class Fact(NamedTuple):
    """A row of the outbox: the event's id, its Kafka key and its bytes."""

    id: UUID
    key: bytes
    value: bytes


_PUBLISHER: Final = 0x46_48_4E_46  # "FHNF": all processes must agree on it
_LOCK: Final = sa.text("SELECT pg_try_advisory_lock(:lock)")
_INSERT: Final = sa.text("""
    INSERT INTO facts (id, key, value)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS bytea[]), CAST(:values AS bytea[]))
""")
_OLDEST: Final = sa.text("SELECT id, key, value FROM facts WHERE parked_reason IS NULL ORDER BY id LIMIT :most")
_PARK: Final = sa.text("UPDATE facts SET parked_reason = :reason WHERE id = :id")
_FORGET: Final = sa.text("DELETE FROM facts WHERE id = ANY(CAST(:ids AS uuid[]))")


async def become_publisher(conn: AsyncConnection) -> bool:
    """Whether this connection is now the one that publishes, until it closes."""
    return bool((await conn.execute(_LOCK, {"lock": _PUBLISHER})).scalar_one())


async def insert(conn: AsyncConnection, facts: Sequence[Fact]) -> None:
    """Keep facts as part of the transaction that makes them true."""
    if facts:
        ids, keys, values = zip(*facts, strict=True)
        await conn.execute(_INSERT, {"ids": list(ids), "keys": list(keys), "values": list(values)})


async def oldest(conn: AsyncConnection, most: int) -> list[Fact]:
    """The facts that have waited longest."""
    return [Fact(*row) for row in await conn.execute(_OLDEST, {"most": most})]


async def forget(conn: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Drop facts that Kafka has acknowledged."""
    await conn.execute(_FORGET, {"ids": list(ids)})


async def park(conn: AsyncConnection, identifier: UUID, reason: str) -> None:
    """Leave out a fact that Kafka can never take."""
    await conn.execute(_PARK, {"id": identifier, "reason": reason})
