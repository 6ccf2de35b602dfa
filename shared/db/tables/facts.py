"""SQL on the outbox (table `facts`): a service's own events, written in the transaction that made them true."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.dialects.postgresql import UUID as UUID_
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.arrays import Rows, by_name
from shared.db.named import named
from shared.db.statement import Statement
from shared.events.lanes import Lane


class Fact(NamedTuple):
    """A row of the outbox: the event's id, its Kafka key, its bytes, and the lane by which it is published."""

    id: UUID
    key: bytes
    value: bytes
    lane: Lane = "live"


def fact_columns(*, lane_unless_said: str | None = None) -> "list[sa.Column[Any]]":
    """The columns of the table `facts` of a service."""
    return [
        sa.Column("id", UUID_, primary_key=True),  # the event's id
        sa.Column("key", BYTEA, nullable=False),
        sa.Column("value", BYTEA, nullable=False),
        sa.Column("lane", sa.Text, nullable=False, server_default=lane_unless_said),  # in which it is published
        sa.Column("parked_reason", sa.Text),  # Kafka can never take it
    ]


_LOCK: Final = sa.text("SELECT pg_try_advisory_lock(:lock)")
_TABLE: Final = sa.Table("facts", sa.MetaData(), *fact_columns())
_ROWS: Final[Rows[Fact]] = Rows(_TABLE, by_name(Fact))
_INSERT: Final = Statement(_ROWS.inserted())
_OLDEST: Final = Statement(f"""
    SELECT {_ROWS.columns} FROM facts WHERE parked_reason IS NULL ORDER BY id LIMIT :most
""")  # noqa: S608 - names of columns, no input
_PARK: Final = sa.text("UPDATE facts SET parked_reason = :reason WHERE id = :id")
_FORGET: Final = Statement("DELETE FROM facts WHERE id = ANY(CAST(:ids AS uuid[]))")


def carriers(**beside: str) -> Rows[Any]:
    """Rows that carry a `fact` into a larger statement; `beside`: what else they say, with its SQL type."""
    carried = {name: attrgetter(f"fact.{name}") for name in Fact._fields}
    return Rows(_TABLE, carried | {name: attrgetter(name) for name in beside}, "fact_", beside)


def inserted_from(rows: Rows[Any]) -> str:
    """SQL that inserts the facts of `carriers`, as the table `u`: what keeps some of them out follows."""
    read = ", ".join(f"u.{name}" for name in Fact._fields)
    return f"INSERT INTO facts ({', '.join(Fact._fields)}) SELECT {read} FROM {rows.unnested}"  # noqa: S608 - no input


async def become_publisher(conn: AsyncConnection, lock: int) -> bool:
    """Whether this connection became the publisher, until it closes. All processes agree on `lock`."""
    return bool((await conn.execute(_LOCK, {"lock": lock})).scalar_one())


async def insert(conn: AsyncConnection, facts: Sequence[Fact]) -> None:
    """Insert facts in the transaction that makes them true."""
    if facts:
        await _INSERT.run(conn, _ROWS.arrays(facts))


async def oldest(conn: AsyncConnection, most: int) -> list[Fact]:
    """The facts that have waited longest."""
    return [named(Fact, row) for row in await _OLDEST.rows(conn, {"most": most})]


async def forget(conn: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Delete facts that Kafka has acknowledged."""
    await _FORGET.run(conn, {"ids": list(ids)})


async def park(conn: AsyncConnection, identifier: UUID, reason: str) -> None:
    """Set aside a fact that Kafka can never take."""
    await conn.execute(_PARK, {"id": identifier, "reason": reason})
