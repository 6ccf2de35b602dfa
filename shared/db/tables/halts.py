"""Halted lanes as rows: they survive a restart, and a person resumes a lane by deleting its row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.named import named
from shared.db.statement import Statement
from shared.events.lanes import Lane

Cause: TypeAlias = Literal["failures", "position"]


class Halt(NamedTuple):
    """A halted lane: why, and since when."""

    lane: Lane
    cause: Cause
    reason: str
    halted_at: datetime


_READ = Statement("SELECT lane, cause, reason, halted_at FROM consumer_halts ORDER BY lane DESC")
_INSERT = sa.text("""
    INSERT INTO consumer_halts (lane, cause, reason) VALUES (:lane, :cause, :reason) ON CONFLICT (lane) DO NOTHING
""")
_END = sa.text("""
    DELETE FROM consumer_halts WHERE lane = ANY(CAST(:lanes AS text[])) AND cause = :cause
    RETURNING lane, cause, reason, halted_at
""")


async def read(conn: AsyncConnection) -> list[Halt]:
    """The lanes that are halted, the live one first."""
    return [named(Halt, row) for row in await _READ.rows(conn, {})]


async def begin(conn: AsyncConnection, lane: Lane, cause: Cause, reason: str) -> None:
    """Halt a lane. The first of several reasons stays."""
    await conn.execute(_INSERT, {"lane": lane, "cause": cause, "reason": reason})


async def end(conn: AsyncConnection, lanes: Sequence[Lane], cause: Cause) -> list[Halt]:
    """Resume the lanes that are halted for this cause; returns their halts."""
    return [named(Halt, row) for row in await conn.execute(_END, {"lanes": list(lanes), "cause": cause})]
