"""Claims what is due, sends it outside any transaction, and records what came of it (DESIGN section 8).

One lane per endpoint; one statement each 100 ms finds the lanes in which something is due, and whoever commits new
deliveries wakes theirs at once. What came of attempts is recorded in groups, fenced by the lease.
"""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.config import Endpoints
from services.nurture.deliveries.attempts import Attempted, Recorded, record
from services.nurture.deliveries.queue import Lane, Send, nowhere
from services.nurture.domain.retry import Impossible, MaybeSent
from services.nurture.metrics import Metrics
from services.nurture.outbox.publisher import FactMaker
from services.nurture.store import claims as store_claims
from services.nurture.store import overdue as store_overdue
from services.nurture.store.deliveries import Given
from shared import clock, log
from shared.backoff import exponential
from shared.db.transient import is_transient
from shared.pause import pause

_LOG = log.get(__name__)
_POLL_S: Final = 0.1
_STRANGERS_EVERY_S: Final = 10.0
_RECORDED_AT_ONCE: Final = 500
_MOST_UNRECORDED: Final = 5000  # beyond it nothing more is claimed: the database does not keep up
_CLAIMS_AT_ONCE: Final = 2
_DRAIN_S: Final = 12.0
_STRANGE: Final = 4  # concurrency towards endpoints that do not exist


class Deliverer:
    """Delivers for one process; `run` is a task of the service."""

    def __init__(
        self,
        engine: AsyncEngine,
        sends: Mapping[str, tuple[int, Send]],
        *,
        instance: str,
        endpoints: Endpoints,
        facts: FactMaker,
        metrics: Metrics,
        on_facts: Callable[[], None],
    ) -> None:
        """`sends`: for each queue how many at once, and how. `on_facts` is called when facts were written."""
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._lanes = {name: Lane(name, at_once, send) for name, (at_once, send) in sends.items()}
        self._instance = instance
        self._token = clock.new_id()
        self._endpoints = endpoints
        self._facts = facts
        self._metrics = metrics
        self._on_facts = on_facts
        self._claims = asyncio.Semaphore(_CLAIMS_AT_ONCE)
        self._done: asyncio.Queue[Attempted | None] = asyncio.Queue()
        self._workers: set[asyncio.Task[None]] = set()
        self._dice = random.Random()  # noqa: S311 - dice, not a secret

    def wake(self, names: Iterable[str]) -> None:
        """Something new stands in these queues."""
        for name in names:
            lane = self._lanes.get(name)
            if lane is not None:
                lane.wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until `stopping`; then finish and record what is under way."""
        async with asyncio.TaskGroup() as group:
            recorder = group.create_task(self._record_all())
            feeders = [group.create_task(self._feed(lane, stopping)) for lane in self._lanes.values()]

            def add(name: str) -> None:
                lane = self._lanes[name] = Lane(name, _STRANGE, nowhere)
                feeders.append(group.create_task(self._feed(lane, stopping)))

            await self._end_earlier_life(stopping)
            await self._poll(stopping, add)
            self.wake(list(self._lanes))
            await asyncio.gather(*feeders)
            left = [given for lane in self._lanes.values() for given, _ in lane.queue]
            for lane in self._lanes.values():
                lane.queue.clear()
            await self._release(left)
            if self._workers:
                _, late = await asyncio.wait(self._workers, timeout=_DRAIN_S)
                for task in late:
                    task.cancel()  # its lease ends by itself, and the attempt counts as unknown
            self._done.put_nowait(None)
            await recorder

    async def _end_earlier_life(self, stopping: asyncio.Event) -> None:
        """What this instance had under way when it was killed need not wait for its leases to end."""
        while not stopping.is_set():
            try:
                async with self._single.connect() as conn:
                    await store_overdue.end_leases(conn, self._instance)
            except Exception as error:
                if not is_transient(error):
                    raise
                await pause(stopping, 0.5)
            else:
                return

    async def _poll(self, stopping: asyncio.Event, add: Callable[[str], None]) -> None:
        clock_s = asyncio.get_running_loop().time
        look_for_strangers = 0.0
        while not stopping.is_set():
            try:
                async with self._single.connect() as conn:
                    self.wake(await store_claims.waiting_endpoints(conn, self._lanes.keys()))
                    if clock_s() >= look_for_strangers:
                        look_for_strangers = clock_s() + _STRANGERS_EVERY_S
                        for name in await store_claims.strange_endpoints(conn, self._lanes.keys()):
                            _LOG.error("endpoint_unknown", endpoint=name)
                            add(name)
                        disabled = await store_overdue.disabled_endpoints(conn)
                        for name in self._lanes:
                            self._metrics.disabled.labels(name).set(name in disabled)
            except Exception as error:
                if not is_transient(error):
                    raise
            await pause(stopping, _POLL_S)

    async def _feed(self, lane: Lane, stopping: asyncio.Event) -> None:
        now = asyncio.get_running_loop().time
        while not stopping.is_set():
            await lane.wake.wait()
            lane.wake.clear()
            while not stopping.is_set() and self._done.qsize() < _MOST_UNRECORDED and (room := lane.room(now())):
                claimed = await self._claim(lane, room)
                lane.more = len(claimed) == room
                lane.queue.extend((given, now()) for given in claimed)
                for _ in range(min(lane.at_once - lane.busy, len(lane.queue))):
                    lane.busy += 1
                    task = asyncio.create_task(self._work(lane))
                    self._workers.add(task)
                    task.add_done_callback(self._workers.discard)
                if not lane.more:
                    break

    async def _claim(self, lane: Lane, most: int) -> list[Given]:
        try:
            async with self._claims, self._single.connect() as conn:
                return await store_claims.claim(conn, lane.name, most=most, token=self._token, instance=self._instance)
        except Exception as error:
            if not is_transient(error):
                raise
            return []

    async def _work(self, lane: Lane) -> None:
        """Send one after the other from the lane's queue until it is empty."""
        now = asyncio.get_running_loop().time
        try:
            while lane.busy <= lane.at_once:
                given, late = lane.next(now())
                if late:
                    await self._release(late)
                if given is None:
                    break
                started = now()
                attempted = await _sent(lane, given)
                self._done.put_nowait(attempted)
                lane.learn(attempted, now() - started, now(), jitter=self._dice.random())
                self._metrics.attempt_seconds.labels(lane.name).observe(now() - started)
                if lane.more and len(lane.queue) < lane.concurrency:
                    lane.wake.set()
        finally:
            lane.busy -= 1

    async def _release(self, givens: Iterable[Given]) -> None:
        ids = [given.id for given in givens]
        if ids:
            try:
                async with self._single.connect() as conn:
                    await store_claims.release(conn, ids, self._token)
            except Exception as error:
                if not is_transient(error):
                    raise  # else their leases end by themselves

    async def _record_all(self) -> None:
        while True:
            attempted = await self._done.get()
            batch = [attempted] if attempted is not None else []
            while attempted is not None and not self._done.empty() and len(batch) < _RECORDED_AT_ONCE:
                attempted = self._done.get_nowait()
                if attempted is not None:
                    batch.append(attempted)
            if batch:
                await self._record(batch)
            if attempted is None:
                return

    async def _record(self, batch: list[Attempted]) -> None:
        """Record until the database takes it: a webhook that was sent must not be sent again for want of a row."""
        for trial in itertools.count():
            try:
                async with self._engine.begin() as conn:
                    recorded = await record(
                        conn, batch, endpoints=self._endpoints, facts=self._facts, dice=self._dice.random
                    )
            except Exception as error:  # noqa: BLE001 - see below; nothing is swallowed
                if is_transient(error):
                    if trial == 0:
                        _LOG.warning("recording_waits", attempts=len(batch), reason=type(error).__name__)
                    await asyncio.sleep(exponential(trial, jitter=self._dice.random(), longest=2.0))
                elif len(batch) > 1:
                    for each in batch:
                        await self._record([each])
                    return
                else:  # one that cannot be recorded must not keep the others from it; its lease will end
                    _LOG.error("attempt_not_recordable", delivery=str(batch[0].given.id), exc_info=error)
                    return
            else:
                self._tell(batch, recorded)
                return

    def _tell(self, batch: list[Attempted], recorded: Recorded) -> None:
        observe(recorded, self._metrics)
        if len(recorded.settled) < len(batch):
            _LOG.warning("leases_lost", attempts=len(batch) - len(recorded.settled))
        self.wake(recorded.written.endpoints)
        self._on_facts()


async def _sent(lane: Lane, given: Given) -> Attempted:
    try:
        return await lane.send(given)
    except Exception as error:  # noqa: BLE001 - a fault of ours; the delivery has to end, not the lane
        _LOG.error("send_failed", delivery=str(given.id), endpoint=lane.name, exc_info=error)
        return Attempted(given, Impossible(f"a fault of ours: {type(error).__name__}"), clock.utc_now())


def observe(recorded: Recorded, metrics: Metrics) -> None:
    """Count what came of attempts."""
    for one, _ in recorded.settled:
        metrics.deliveries.labels(one.given.endpoint, one.outcome).inc()
        if one.given.is_first and one.state == "delivered":
            seconds = (one.finished_at - one.given.triggered_at).total_seconds()
            metrics.first_followup_seconds.labels(one.given.workflow).observe(max(0.0, seconds))


def lost(given: Given) -> Attempted:
    """The attempt of a process that did not say in time what came of it."""
    return Attempted(given, MaybeSent("the process that sent it did not say what came of it"), clock.utc_now())
