"""Deletes rows past their retention, in small batches, beside the live traffic."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import log
from shared.db.transient import suppress_transient, suppress_unless_transient
from shared.runtime.pause import pause

# Deletes at most so many rows of one kind; returns how many.
Drop: TypeAlias = Callable[[AsyncConnection, int], Awaitable[int]]

_LOG = log.get(__name__)
_EVERY_S: Final = 600.0
_BETWEEN_S: Final = 0.05  # small, so that nobody waits for it
_AT_ONCE: Final = 1000


async def drop_old(engine: AsyncEngine, drops: Mapping[str, Drop], *, most: int = _AT_ONCE) -> dict[str, int]:
    """Delete everything past its retention, each batch in its own transaction; return the number of rows by kind."""
    return {what: await _drop_all(engine, drop, most) for what, drop in drops.items()}


async def keep_to(engine: AsyncEngine, drops: Mapping[str, Drop], stopping: asyncio.Event) -> None:
    """Do so every ten minutes until `stopping`. A kind that fails is logged and keeps no other from it."""
    while not stopping.is_set():
        for what, drop in drops.items():
            with suppress_transient(), suppress_unless_transient() as failed:
                if dropped := await _drop_all(engine, drop, _AT_ONCE):
                    _LOG.info("old_rows_dropped", what=what, rows=dropped)
            if failed.error is not None:
                _LOG.error("old_rows_stay", what=what, reason=log.reason(failed.error))
        await pause(stopping, _EVERY_S)


async def _drop_all(engine: AsyncEngine, drop: Drop, most: int) -> int:
    dropped = 0
    while True:
        async with engine.begin() as conn:
            count = await drop(conn, most)
        dropped += count
        if count < most:
            return dropped
        await asyncio.sleep(_BETWEEN_S)
