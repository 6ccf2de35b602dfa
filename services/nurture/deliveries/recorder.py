"""Records the outcomes of attempts, in groups, until the database takes them."""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.config import Endpoints
from services.nurture.deliveries.attempts import Attempted, Recorded, judged, record, stand_alone, verdict_of
from services.nurture.domain.deliveries.retry import Delivered
from services.nurture.facts import FactMaker
from services.nurture.metrics import Metrics
from services.nurture.store.deliveries import claims as store_claims
from shared import log
from shared.backoff import exponential
from shared.db.transient import suppress_transient, suppress_unless_transient

_LOG = log.get(__name__)
_AT_ONCE: Final = 500
_GATHER_S: Final = 0.01  # how long outcomes wait for others while many come in: a statement costs more than a row
_Leads: TypeAlias = list[tuple[datetime, datetime]]  # when they happened, and when they had passed a hop


class Recorder:
    """Takes outcomes by `put`; `run` records them. `waiting` counts those not recorded yet."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        endpoints: Endpoints,
        facts: FactMaker,
        metrics: Metrics,
        dice: Callable[[], float],
        on_recorded: Callable[[Sequence[Attempted], Iterable[str], bool], None],
    ) -> None:
        """`on_recorded` is called with recorded attempts, the queues with new rows, and whether any is sent again."""
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._endpoints = endpoints
        self._facts = facts
        self._metrics = metrics
        self._dice = dice
        self._on_recorded = on_recorded
        self._done: asyncio.Queue[Attempted | None] = asyncio.Queue()

    @property
    def waiting(self) -> int:
        """Attempts not being recorded yet."""
        return self._done.qsize()

    def put(self, attempted: Attempted) -> None:
        """One attempt has ended."""
        self._done.put_nowait(attempted)

    def close(self) -> None:
        """No more outcomes: `run` returns once all are recorded."""
        self._done.put_nowait(None)

    async def run(self) -> None:
        """Write until `close`."""
        while True:
            attempted = await self._done.get()
            batch = [attempted] if attempted is not None else []
            while attempted is not None and not self._done.empty() and len(batch) < _AT_ONCE:
                attempted = self._done.get_nowait()
                if attempted is not None:
                    batch.append(attempted)
            if batch:
                await self._record(batch)
            if len(batch) > 1:
                await asyncio.sleep(_GATHER_S)
            if attempted is None:
                return

    async def _record(self, batch: list[Attempted]) -> None:
        """Record until the database takes it: a sent webhook must not be repeated for lack of a row."""
        for trial in itertools.count():
            with suppress_transient() as waits, suppress_unless_transient() as failed:
                verdicts = judged(batch, self._endpoints, self._dice)
                async with self._single.connect() if stand_alone(verdicts) else self._engine.begin() as conn:
                    recorded = await record(conn, verdicts, endpoints=self._endpoints, facts=self._facts)
            if waits.error is not None:
                if trial == 0:
                    _LOG.warning("recording_waits", attempts=len(batch), reason=type(waits.error).__name__)
                await asyncio.sleep(exponential(trial, jitter=self._dice(), longest=1.0))
                continue
            if failed.error is None:
                observe(recorded, self._metrics)
                if len(recorded.settled) < len(batch):
                    _LOG.warning("leases_lost", attempts=len(batch) - len(recorded.settled))
                self._on_recorded(batch, recorded.written.endpoints, recorded.again)
            elif len(batch) > 1:
                for each in batch:
                    await self._record([each])
            else:
                await self._give_up(batch[0], failed.error)
            return

    async def _give_up(self, attempted: Attempted, error: BaseException) -> None:
        """End an attempt that cannot be recorded with its reason: it neither blocks others nor is retried forever."""
        given = attempted.given
        _LOG.error("attempt_not_recordable", delivery=str(given.id), exc_info=error)
        arrived = isinstance(verdict_of(attempted, self._endpoints, jitter=0), Delivered)
        reason = f"what came of it cannot be recorded: {type(error).__name__}"
        with suppress_transient() as waits, suppress_unless_transient() as failed:
            async with self._engine.begin() as conn:
                await store_claims.give_up(conn, given, arrived=arrived, reason=reason)
        if waits.error is not None:
            self._done.put_nowait(attempted)
            return
        if failed.error is not None:  # nothing more can be done for it; its lease will end
            _LOG.error("attempt_not_recordable", delivery=str(given.id), exc_info=failed.error)
        self._on_recorded([attempted], (), False)


def observe(recorded: Recorded, metrics: Metrics) -> None:
    """Count outcomes, those of a batch together."""
    outcomes: Counter[tuple[str, str]] = Counter()
    attempted: _Leads = []
    delivered: _Leads = []
    waited: defaultdict[str, list[float]] = defaultdict(list)
    for one, _ in recorded.settled:
        given = one.given
        outcomes[given.endpoint, one.outcome] += 1
        if not given.is_first:
            continue
        live = given.lane == "live"
        if given.attempts == 0 and live:
            attempted.append((given.triggered_at, one.started_at))
        if one.state == "delivered":
            waited[given.workflow].append(max(0.0, (one.finished_at - given.triggered_at).total_seconds()))
            if live:
                delivered.append((given.triggered_at, one.finished_at))
    for (endpoint, outcome), count in outcomes.items():
        metrics.deliveries.labels(endpoint, outcome).inc(count)
    for workflow, seconds in waited.items():
        metrics.first_followup_seconds.labels(workflow).observe_all(seconds)
    metrics.hops.all_passed("attempted", attempted)
    metrics.hops.all_passed("delivered", delivered)
