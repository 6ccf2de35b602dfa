"""Timers: waits that end, deadlines that pass, clocks that run out.

One index look-up finds what is due, every 100 ms while there is traffic, else when the next timer is due. Rows are the
truth, so any process may handle any timer. A timer is judged only once everything before its due time is known
(news.py), and a row that raises is parked (isolation.py).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.nurture.config import Endpoints
from services.nurture.domain.advance import advance
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import at_expiry
from services.nurture.domain.enrolment import Due, decode_enrolment
from services.nurture.facts import FactMaker
from services.nurture.language.versions import UNUSABLE, Versions
from services.nurture.metrics import Metrics
from services.nurture.runs.changes import Changes
from services.nurture.runs.isolation import Done, Row, work_off
from services.nurture.runs.news import News
from services.nurture.runs.writing import write
from services.nurture.store import enrolments as store
from services.nurture.store.deliveries import overdue as store_overdue
from services.nurture.store.deliveries.overdue import Kind, Late
from services.nurture.store.enrolments import DueEnrolment
from shared import clock, log
from shared.db.transient import suppress_transient, suppress_unless_transient
from shared.runtime.pause import Rounds

_Act = Callable[[AsyncConnection], Awaitable[tuple[int, Done]]]
"""Does one kind of overdue work in a transaction: how many rows there were, and what came of it."""

R = TypeVar("R", bound=Row)

_LOG = log.get(__name__)
_AT_ONCE: Final = 500
_COUNT_EVERY_S: Final = 10.0


class Timers:
    """Handles due timers in one process; `run` is a task of the service."""

    def __init__(
        self,
        engine: AsyncEngine,
        versions: Versions,
        endpoints: Endpoints,
        facts: FactMaker,
        metrics: Metrics,
        news: News,
        *,
        on_sendable: Callable[[set[str]], None],
    ) -> None:
        """`on_sendable` is called after a commit, with the queues in which something new stands."""
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._versions = versions
        self._endpoints = endpoints
        self._facts = facts
        self._metrics = metrics
        self._news = news
        self._on_sendable = on_sendable
        self._failing: set[str] = set()
        self._count_at = 0.0  # by the event loop's clock
        self._rounds = Rounds()

    def missing(self) -> list[str]:
        """The kinds of timers that fail."""
        return [f"nurture: {kind} that are due cannot be worked off" for kind in sorted(self._failing)]

    def stir(self) -> None:
        """New rows may be due soon."""
        self._rounds.stir()

    def expect(self, at: datetime) -> None:
        """A new row is due then."""
        self._rounds.expect((at - clock.utc_now()).total_seconds())

    async def run(self, stopping: asyncio.Event) -> None:
        """Handle due rows until `stopping`, without a pause while more are due than one poll takes."""
        troubled = False
        while not stopping.is_set():
            more = False
            next_in_s: float | None = 0.0
            with suppress_transient() as failed:
                more, next_in_s = await self._look()
                if self._count_at <= asyncio.get_running_loop().time():
                    await self._transact("count of what is parked", self._count_parked)
                    self._count_at = asyncio.get_running_loop().time() + _COUNT_EVERY_S
            if failed.error is not None and not troubled:
                _LOG.warning("timers_wait", reason=type(failed.error).__name__)
            troubled = failed.error is not None
            if not more:
                await self._rounds.wait(stopping, next_in_s)

    async def _look(self) -> tuple[bool, float | None]:
        """Handle what is overdue; whether there is more, and the seconds until the next."""
        async with self._single.connect() as conn:
            first = await store_overdue.first_due(conn)
        overdue = first.overdue()
        if overdue:
            self._news.want()
        if "enrolments" not in overdue:
            self._metrics.timer_lag.set(0)
        more = False
        for kind, act in self._acts(overdue, self._news.until(first.now)):
            more |= await self._transact(kind, act)
        return more, first.next_in_s()

    def _acts(self, overdue: Collection[Kind], until: datetime | None) -> Iterable[tuple[Kind, _Act]]:
        if until is None:
            return
        if "enrolments" in overdue:
            yield _isolated("enrolments", partial(self._due, until), self._wake, store.park)
        if "deliveries" in overdue:
            lock = partial(store_overdue.expired, until=until, most=_AT_ONCE)
            yield _isolated("deliveries", lock, self._expire, store_overdue.park_deliveries)
        if "tasks" in overdue:
            lock = partial(store_overdue.expired_tasks, until=until, most=_AT_ONCE)
            yield _isolated("tasks", lock, self._expire_tasks, store_overdue.park_tasks)
        if "windows" in overdue:
            yield "windows", partial(self._close_windows, until)

    async def _transact(self, kind: str, act: _Act) -> bool:
        """Do one kind of work; whether there is more. A kind that fails stops no other."""
        with suppress_unless_transient() as failed:
            async with self._engine.begin() as conn:
                count, done = await act(conn)
        if failed.error is not None:
            self._metrics.timer_failures.labels(kind).inc()
            if kind not in self._failing:
                _LOG.error("timers_fail", kind=kind, exc_info=failed.error)
            self._failing.add(kind)
            return False
        self._failing.discard(kind)
        for tell in done.count:
            tell()
        self._on_sendable(done.sendable)
        return count == _AT_ONCE

    async def _due(self, until: datetime, conn: AsyncConnection) -> Sequence[DueEnrolment]:
        rows = await store.lock_due(conn, until, most=_AT_ONCE)
        if rows:
            self._metrics.timer_lag.set((rows[0].now - rows[0].due_at).total_seconds())
        return rows

    async def _wake(self, conn: AsyncConnection, rows: Sequence[DueEnrolment]) -> Done:
        """Enrolments whose wait is over go on."""
        now = rows[0].now
        runs = [decode_enrolment(row.document) for row in rows]
        await self._versions.learn(conn, runs)
        changes, unusable = Changes(), {}
        for run in runs:
            workflow = self._versions.of(run)
            if workflow is None:
                unusable[run.id] = UNUSABLE
            else:
                changes.take(advance(workflow, run, Due(), now))
        await store.park(conn, unusable)
        written = await write(conn, changes, endpoints=self._endpoints, facts=self._facts, now=now)
        return Done(written.endpoints)

    async def _expire(self, conn: AsyncConnection, overdue: Sequence[Late]) -> Done:
        """Expired deliveries end, and their fallbacks are made."""
        await store_overdue.expire(conn, {given.id: reason for given, _, reason in _ended(overdue)})
        return Done(await self._fall_back(conn, overdue))

    async def _expire_tasks(self, conn: AsyncConnection, overdue: Sequence[Late]) -> Done:
        """Tasks not done in time end, and their fallbacks are made."""
        await store_overdue.expire_tasks(conn, [given.id for given, _, _ in _ended(overdue)])
        return Done(await self._fall_back(conn, overdue))

    async def _fall_back(self, conn: AsyncConnection, overdue: Sequence[Late]) -> set[str]:
        changes, ended = Changes(), _ended(overdue)
        for given, now, reason in ended:
            changes.end(given, "followup.expired", now, facts=self._facts, reason=reason, fall_back=True)
        if not ended:
            return set()
        written = await write(conn, changes, endpoints=self._endpoints, facts=self._facts, now=ended[0][1])
        return written.endpoints

    async def _close_windows(self, until: datetime, conn: AsyncConnection) -> tuple[int, Done]:
        """First-hour clocks that ran out are noted, once, by one statement."""
        missed = Counter(await store.miss_windows(conn, until, most=_AT_ONCE))
        return missed.total(), Done(
            count=[partial(self._metrics.windows.labels(workflow).inc, count) for workflow, count in missed.items()]
        )

    async def _count_parked(self, conn: AsyncConnection) -> tuple[int, Done]:
        for kind, count in (await store_overdue.parked(conn)).items():
            self._metrics.parked.labels(kind).set(count)
        return 0, Done()


def _isolated(
    kind: Kind,
    lock: Callable[[AsyncConnection], Awaitable[Sequence[R]]],
    do: Callable[[AsyncConnection, Sequence[R]], Awaitable[Done]],
    park: Callable[[AsyncConnection, Mapping[UUID, str]], Awaitable[None]],
) -> tuple[Kind, _Act]:
    async def act(conn: AsyncConnection) -> tuple[int, Done]:
        return await work_off(conn, kind, await lock(conn), do, park)

    return kind, act


def _ended(overdue: Sequence[Late]) -> list[tuple[StoredDelivery, datetime, str]]:
    """The ones that expire now, with the reason."""
    verdicts = ((given, now, at_expiry(given, now)) for _, given, now in overdue)
    return [(given, now, verdict.reason) for given, now, verdict in verdicts if verdict is not None]
