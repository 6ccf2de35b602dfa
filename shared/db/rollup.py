"""Metrics that only the database knows, queried every ten seconds, so that no scrape ever queries Postgres.

A query may take five seconds, so a scrape is at most fifteen seconds old. While Postgres is down, the figures stay;
`firsthour_rollup_timestamp_seconds` says how old they are.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, TypeAlias

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool

from shared import log
from shared.clock import utc_now
from shared.db.transient import suppress_transient, suppress_unless_transient
from shared.runtime.pause import pause

Look: TypeAlias = Callable[[AsyncConnection], Awaitable[None]]
"""Reads and sets figures, in a transaction that can only read."""

_LOG = log.get(__name__)
_EVERY_S: Final = 10.0
_BOUNDED: Final = sa.text("SET TRANSACTION READ ONLY")
_NO_LONGER: Final = sa.text("SET LOCAL statement_timeout = '5s'")
_NOW: Final = sa.text("SELECT clock_timestamp()")


class Rollup:
    """`run` is a task of the service."""

    def __init__(
        self, engine: AsyncEngine, registry: CollectorRegistry, *looks: Look, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Each look has its own transaction: one that fails does not stop the others. `clock`: this machine's."""
        self._engine = engine
        self._now = clock
        self._looks = (self._clock, *looks)
        self._taken_at = Gauge(
            "firsthour_rollup_timestamp_seconds",
            "When the figures that come from Postgres were last looked up (Unix time).",
            registry=registry,
        )
        self._offset = Gauge(
            "firsthour_database_clock_offset_seconds",
            "By how much the clock of Postgres is ahead of this machine's.",
            registry=registry,
        )
        self._connections = Gauge(
            "firsthour_database_connections",
            "Connections of this process's pool: `busy` of at most `limit`.",
            ["state"],
            registry=registry,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Run all looks every ten seconds until `stopping`."""
        while not stopping.is_set():
            pool = self._engine.pool
            if isinstance(pool, QueuePool):
                self._connections.labels("busy").set(pool.checkedout())
                self._connections.labels("limit").set(pool.size())
            if all([await self._look(look) for look in self._looks]):
                self._taken_at.set(self._now().timestamp())
            await pause(stopping, _EVERY_S)

    async def _look(self, look: Look) -> bool:
        # Figures are no reason to stop; their age shows it.
        with suppress_transient(), suppress_unless_transient() as failed:
            async with self._engine.begin() as conn:
                await conn.execute(_BOUNDED)
                await conn.execute(_NO_LONGER)
                await look(conn)
            return True
        if failed.error is not None:
            _LOG.error("figures_not_looked_up", reason=log.reason(failed.error))
        return False

    async def _clock(self, conn: AsyncConnection) -> None:
        before = self._now()
        theirs = (await conn.execute(_NOW)).scalar_one()
        ours = before + (self._now() - before) / 2
        self._offset.set((theirs - ours).total_seconds())
