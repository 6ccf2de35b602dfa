"""Timers wait for news (DESIGN section 5): events before a timer's due time are read before it is judged.

The rule covers starts, rebalances and outages alike: at a moment T, ask where the topic of live updates ends; once all
processes together have read that far, everything before T is known, and timers due before T may be judged. Offsets live
in Postgres, so it does not matter which process reads which partition. Imports (the bulk lane) are not waited for.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.metrics import Metrics
from services.nurture.runs.ends import Ends
from services.nurture.store.deliveries import overdue as store
from shared import log
from shared.db.transient import suppress_transient
from shared.kafka.transient import passes
from shared.runtime.pause import pause, pause_for_either

_LOG = log.get(__name__)
_POLL_S: Final = 0.1
_AGAIN_S: Final = 1.0
_REST_S: Final = 10.0  # while no timer asks
LONGEST: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Question:
    """Where the topic ended at some moment."""

    at: datetime
    ends: dict[int, int]


class News:
    """Knows up to which moment every update has been read; `run` is a task of the service."""

    def __init__(
        self, engine: AsyncEngine, ends: Ends, topic: str, metrics: Metrics, *, longest: timedelta = LONGEST
    ) -> None:
        """`longest`: without an answer for so long, timers go on anyway."""
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._ends = ends
        self._topic = topic
        self._metrics = metrics
        self._longest = longest
        self._question: _Question | None = None
        self._heard: datetime | None = None
        self._since: datetime | None = None  # when we first looked: `longest` counts from here until the first answer
        self._wanted = asyncio.Event()
        self._gave_up = False

    def want(self) -> None:
        """A timer is overdue: ask again."""
        self._wanted.set()

    def until(self, now: datetime) -> datetime | None:
        """Up to which moment timers may be handled; None: not yet."""
        since = self._heard or self._since
        if since is None:
            self._since = now
            return None
        self._metrics.news_age.set((now - since).total_seconds())
        if now - since <= self._longest:
            if self._gave_up:
                _LOG.info("timers_know_the_news_again")
            self._gave_up = False
            return self._heard
        if not self._gave_up:
            _LOG.error("timers_go_on_without_news", seconds=round((now - since).total_seconds()))
        self._gave_up = True
        return now

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until `stopping`."""
        while not stopping.is_set():
            waits = False
            with suppress_transient(passes) as failed:
                waits = not await self._look()
            if failed.error is not None:
                self._question = None
                await pause(stopping, _AGAIN_S)
            if waits:
                await pause(stopping, _POLL_S)
            else:
                self._wanted.clear()
                await pause_for_either(stopping, self._wanted, _REST_S)

    async def _look(self) -> bool:
        """Ask, or check the pending question; whether it is answered."""
        async with self._single.connect() as conn:
            at, read = await store.reached(conn, self._topic)
        if self._question is None:
            self._question = _Question(at, await self._ends.of(self._topic, read.keys()))
            async with self._single.connect() as conn:
                _, read = await store.reached(conn, self._topic)
        question = self._question
        if any(read.get(partition, 0) < end for partition, end in question.ends.items()):
            return False
        self._heard, self._question = question.at, None
        return True
