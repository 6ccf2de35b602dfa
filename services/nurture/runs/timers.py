"""What time alone brings about: waits that end, deadlines that pass, clocks that run out.

One look each 100 ms, by the indexes of what waits; the row is the truth, so any process may do any of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.nurture.config import Endpoints
from services.nurture.domain.advance import advance
from services.nurture.domain.enrolment import Due
from services.nurture.domain.fallback import fallback_of
from services.nurture.domain.retry import at_expiry
from services.nurture.language.versions import Versions, unusable
from services.nurture.metrics import Metrics
from services.nurture.outbox.publisher import FactMaker
from services.nurture.runs.changes import Changes
from services.nurture.runs.writing import write
from services.nurture.store import enrolments as store
from services.nurture.store import overdue as store_overdue
from services.nurture.store.deliveries import Given
from services.nurture.store.overdue import Overdue
from shared import log
from shared.db.transient import is_transient
from shared.pause import pause

_Work = Callable[[AsyncConnection], Awaitable[tuple[int, set[str]]]]
"""Does one kind of overdue work; returns how much there was, and the queues in which something new stands."""

_LOG = log.get(__name__)
_TICK_S: Final = 0.1
_AT_ONCE: Final = 500


class Timers:
    """The timers of one process; `run` is a task of the service."""

    def __init__(
        self,
        engine: AsyncEngine,
        versions: Versions,
        endpoints: Endpoints,
        facts: FactMaker,
        metrics: Metrics,
        *,
        on_sendable: Callable[[set[str]], None],
    ) -> None:
        """`on_sendable` is called after a commit, with the queues in which something new stands."""
        self._engine = engine
        self._versions = versions
        self._endpoints = endpoints
        self._facts = facts
        self._metrics = metrics
        self._on_sendable = on_sendable

    async def run(self, stopping: asyncio.Event) -> None:
        """Look each 100 ms until `stopping`; at once again while there is more than one look takes."""
        troubled = False
        while not stopping.is_set():
            more = False
            try:
                async with self._engine.connect() as conn:
                    overdue = await store_overdue.look(conn)
                if not overdue.enrolments:
                    self._metrics.timer_lag.set(0)
                for due, work in self._work(overdue):
                    if due:
                        more |= await self._transact(work)
                troubled = False
            except Exception as error:
                if not is_transient(error):
                    raise
                if not troubled:
                    _LOG.warning("timers_wait", reason=type(error).__name__)
                troubled = True
            if not more:
                await pause(stopping, _TICK_S)

    def _work(self, overdue: Overdue) -> list[tuple[bool, _Work]]:
        return [
            (overdue.enrolments, self._wake),
            (overdue.deliveries, self._expire),
            (overdue.tasks, self._expire_tasks),
            (overdue.windows, self._close_windows),
        ]

    async def _transact(self, work: _Work) -> bool:
        async with self._engine.begin() as conn:
            done, sendable = await work(conn)
        self._on_sendable(sendable)
        return done == _AT_ONCE

    async def _wake(self, conn: AsyncConnection) -> tuple[int, set[str]]:
        """Runs whose wait is over go on."""
        runs, now, late_s = await store.lock_due(conn, most=_AT_ONCE)
        self._metrics.timer_lag.set(late_s)
        if now is None:
            return 0, set()
        await self._versions.learn(conn, runs)
        changes = Changes()
        for run in runs:
            workflow = self._versions.of(run)
            changes.take(unusable(run, now) if workflow is None else advance(workflow, run, Due(), now))
        written = await write(conn, changes, endpoints=self._endpoints, facts=self._facts, now=now)
        return len(runs), written.endpoints

    async def _expire(self, conn: AsyncConnection) -> tuple[int, set[str]]:
        """Deliveries whose time is over end, and their fallbacks go."""
        overdue = await store_overdue.expired(conn, most=_AT_ONCE)
        await store_overdue.expire(conn, {given.id: reason for given, _, reason in _ended(overdue)})
        return len(overdue), await self._fall_back(conn, overdue)

    async def _expire_tasks(self, conn: AsyncConnection) -> tuple[int, set[str]]:
        """Tasks that nobody did in time end, and their fallbacks go."""
        overdue = await store_overdue.expired_tasks(conn, most=_AT_ONCE)
        await store_overdue.expire_tasks(conn, [given.id for given, _, _ in _ended(overdue)])
        return len(overdue), await self._fall_back(conn, overdue)

    async def _fall_back(self, conn: AsyncConnection, overdue: Sequence[tuple[Given, datetime]]) -> set[str]:
        changes, told = Changes(), []
        ended = _ended(overdue)
        for given, now, reason in ended:
            if given.rep is None or given.channel == "task":
                told.append(self._facts.followup("followup.expired", given, now, reason=reason))
            fallback = fallback_of(given.as_new(), reason, now)
            if fallback is not None:
                changes.add(fallback, is_first=given.is_first)
        if not ended:
            return set()
        written = await write(conn, changes, endpoints=self._endpoints, facts=self._facts, now=ended[0][1], more=told)
        return written.endpoints

    async def _close_windows(self, conn: AsyncConnection) -> tuple[int, set[str]]:
        """First-hour clocks that ran out are noted, once."""
        missed = await store.miss_windows(conn, most=_AT_ONCE)
        for workflow in missed:
            self._metrics.windows.labels(workflow).inc()
        return len(missed), set()


def _ended(overdue: Sequence[tuple[Given, datetime]]) -> list[tuple[Given, datetime, str]]:
    """Those that the rules end now, with the reason."""
    verdicts = ((given, now, at_expiry(given.rule(), now)) for given, now in overdue)
    return [(given, now, verdict.reason) for given, now, verdict in verdicts if verdict is not None]
