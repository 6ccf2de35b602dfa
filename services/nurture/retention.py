"""Drops what is older than the settings keep it, in small batches, beside all other work."""

import asyncio
from collections.abc import Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.settings import NurtureSettings
from services.nurture.store import retention as store
from shared import log
from shared.db.transient import is_transient
from shared.pause import pause

_LOG = log.get(__name__)
_EVERY_S: Final = 600.0
_BETWEEN_S: Final = 0.05  # so that nobody waits for it
_AT_ONCE: Final = 1000
REMEMBER_DAYS: Final = 60  # longer than any topic's retention, so that no copy of an update can still come
_COUNT_DAYS: Final = 2


def kept_days(settings: NurtureSettings) -> dict[str, int]:
    """How long each kind of row is kept."""
    return {
        "attempts": settings.nurture_keep_attempts_days,
        "runs": settings.nurture_keep_runs_days,
        "seen_updates": REMEMBER_DAYS,
        "mail_counts": _COUNT_DAYS,
    }


async def drop_old(engine: AsyncEngine, kept: Mapping[str, int], *, most: int = _AT_ONCE) -> dict[str, int]:
    """Drop everything that is too old by now, each batch in a transaction of its own; return how much of each."""
    dropped = dict.fromkeys(kept, 0)
    for what, days in kept.items():
        while True:
            async with engine.begin() as conn:
                count = await store.drop(conn, what, older_than_days=days, most=most)
            dropped[what] += count
            if count < most:
                break
            await asyncio.sleep(_BETWEEN_S)
    return dropped


async def keep_to(engine: AsyncEngine, kept: Mapping[str, int], stopping: asyncio.Event) -> None:
    """Look each ten minutes until `stopping`."""
    while not stopping.is_set():
        try:
            dropped = {what: count for what, count in (await drop_old(engine, kept)).items() if count}
            if dropped:
                _LOG.info("old_rows_dropped", **dropped)
        except Exception as error:
            if not is_transient(error):
                raise
        await pause(stopping, _EVERY_S)
