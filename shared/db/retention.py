"""Drops what is older than it is kept, in small batches, beside all other work."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import log
from shared.db.transient import is_transient
from shared.pause import pause

# Drops at most so many rows of one kind; returns how many there were.
Drop: TypeAlias = Callable[[AsyncConnection, int], Awaitable[int]]

_LOG = log.get(__name__)
_EVERY_S: Final = 600.0
_BETWEEN_S: Final = 0.05  # so that nobody waits for it
_AT_ONCE: Final = 1000


async def drop_old(engine: AsyncEngine, drops: Mapping[str, Drop], *, most: int = _AT_ONCE) -> dict[str, int]:
    """Drop everything that is too old by now, each batch in a transaction of its own; return how much of each."""
    return {what: await _drop_all(engine, drop, most) for what, drop in drops.items()}


async def keep_to(engine: AsyncEngine, drops: Mapping[str, Drop], stopping: asyncio.Event) -> None:
    """Look each ten minutes until `stopping`. A kind that cannot be dropped stays, and stops nothing else."""
    while not stopping.is_set():
        for what, drop in drops.items():
            try:
                if dropped := await _drop_all(engine, drop, _AT_ONCE):
                    _LOG.info("old_rows_dropped", what=what, rows=dropped)
            except Exception as error:  # noqa: BLE001 - logged, and tried again
                if not is_transient(error):
                    _LOG.error("old_rows_stay", what=what, reason=log.reason(error))
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
