"""Claims due deliveries, sends them outside any transaction, and has their outcomes recorded (DESIGN section 8).

One queue per endpoint. One statement finds the queues in which something is due, each 100 ms while there is traffic,
else when the next one is due; whoever commits new deliveries wakes theirs at once. A delivery is claimed, then begun,
then recorded; each step is fenced by the lease.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.nurture.channels.sending import NotBegun, Refused, Result, Send
from services.nurture.config import Endpoints
from services.nurture.deliveries.attempts import Attempted
from services.nurture.deliveries.beginning import Beginnings
from services.nurture.deliveries.leases import Leases
from services.nurture.deliveries.queue import EndpointQueue, nowhere
from services.nurture.deliveries.recorder import Recorder
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import PATIENCE_S, Impossible, MaybeSent
from services.nurture.domain.mail.caps import MailCaps
from services.nurture.facts import FactMaker
from services.nurture.metrics import Metrics
from services.nurture.store import endpoints as store_endpoints
from services.nurture.store.deliveries import claims as store_claims
from shared import clock, log
from shared.db.transient import suppress_transient
from shared.runtime.deadlines import ATTEMPT_S, LEASE_S
from shared.runtime.pause import Rounds

_LOG = log.get(__name__)
_STRANGERS_EVERY_S: Final = 10.0
_STRANDED_AT_ONCE: Final = 500
_MOST_UNRECORDED: Final = 5000  # beyond it nothing is claimed: the database is too slow
_CLAIMS_AT_ONCE: Final = 2
_STRANGE: Final = 4  # concurrency for endpoints that do not exist any more


class Deliverer:
    """The deliverer of one process; `run` is a task of the service."""

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
        drain_s: float = ATTEMPT_S,
        lease_s: float = LEASE_S,
    ) -> None:
        """`sends`: the concurrency and the `Send` of each endpoint queue. `on_facts` is called when facts were written.

        On stopping, attempts in flight have `drain_s` seconds to end.
        """
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._repeats_unknown = [name for name, each in endpoints.channels.items() if each.repeats_unknown]
        self._queues = {name: EndpointQueue(name, at_once, send) for name, (at_once, send) in sends.items()}
        self._instance = instance
        self._metrics = metrics
        self._on_facts = on_facts
        self._drain_s = drain_s
        self._lease_s = lease_s
        self._rounds = Rounds()
        self._claims = asyncio.Semaphore(_CLAIMS_AT_ONCE)
        self._workers: set[asyncio.Task[None]] = set()
        self._dice = random.Random()  # noqa: S311 - dice, not a secret
        self._beginnings = Beginnings(
            engine, lease_s=lease_s, caps=endpoints.email.caps if endpoints.email is not None else MailCaps()
        )
        self._recorder = Recorder(
            engine,
            endpoints=endpoints,
            facts=facts,
            metrics=metrics,
            dice=self._dice.random,
            on_recorded=self._recorded,
        )
        self._leases = Leases(
            self._single, instance=instance, on_lost=self._recorder.put, wake=self.wake, lease_s=lease_s
        )

    def wake(self, names: Iterable[str]) -> None:
        """These endpoint queues have rows that are due."""
        for name in names:
            queue = self._queues.get(name)
            if queue is not None:
                queue.wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until `stopping`; then finish and record the attempts in flight."""
        sent = asyncio.Event()  # nothing is in flight any more
        async with asyncio.TaskGroup() as group:
            recorder = group.create_task(self._recorder.run())
            await self._leases.end_earlier_life(stopping)  # before anything is claimed under the same instance name
            leases = group.create_task(self._leases.run(sent))
            feeders = [group.create_task(self._feed(queue, stopping)) for queue in self._queues.values()]

            def add(name: str) -> None:
                queue = self._queues[name] = EndpointQueue(name, _STRANGE, nowhere)
                feeders.append(group.create_task(self._feed(queue, stopping)))

            await self._poll(stopping, add)
            self.wake(list(self._queues))
            await asyncio.gather(*feeders)
            unsent = [given for queue in self._queues.values() for given, _ in queue.claimed]
            for queue in self._queues.values():
                queue.claimed.clear()
            await self._leases.give_back(unsent)
            if self._workers:
                _, late = await asyncio.wait(self._workers, timeout=self._drain_s)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
            self._recorder.close()
            await recorder
            sent.set()
            await leases
            await self._leases.give_back(())

    async def _poll(self, stopping: asyncio.Event, add: Callable[[str], None]) -> None:
        clock_s = asyncio.get_running_loop().time
        look_for_strangers = 0.0
        while not stopping.is_set():
            next_in_s: float | None = 0.0
            with suppress_transient():
                async with self._single.connect() as conn:
                    waiting = await store_claims.waiting(conn, self._queues.keys())
                    next_in_s = min(waiting.values(), default=None)
                    self.wake(name for name, seconds in waiting.items() if seconds <= 0)
                    if clock_s() >= look_for_strangers:
                        look_for_strangers = clock_s() + _STRANGERS_EVERY_S
                        for name in await store_claims.strange_endpoints(conn, self._queues.keys()):
                            _LOG.error("endpoint_unknown", endpoint=name)
                            add(name)
                        await self._look_at_endpoints(conn)
            await self._rounds.wait(stopping, next_in_s)

    async def _look_at_endpoints(self, conn: AsyncConnection) -> None:
        """Update the endpoints' metrics, and end deliveries that would wait for a disabled endpoint for ever."""
        disabled = await store_endpoints.disabled(conn)
        failing = await store_endpoints.failing_now(conn)
        for name in self._queues:
            self._metrics.disabled.labels(name).set(name in disabled)
            self._metrics.failing.labels(name).set(name in failing)
        if disabled:
            stranded = await store_endpoints.claim_stranded(
                conn,
                disabled,
                patience_s=PATIENCE_S,
                most=_STRANDED_AT_ONCE,
                token=clock.new_id(),
                instance=self._instance,
            )
            for given in stranded:
                now = clock.utc_now()
                self._leases.hold(given)
                self._recorder.put(Attempted(given, now, now, Impossible("the endpoint is disabled")))

    async def _feed(self, queue: EndpointQueue, stopping: asyncio.Event) -> None:
        now = asyncio.get_running_loop().time
        while not stopping.is_set():
            await queue.wake.wait()
            queue.wake.clear()
            queue.more = True  # what finds no room is claimed as soon as there is some
            while not stopping.is_set() and self._recorder.waiting < _MOST_UNRECORDED and (room := queue.room(now())):
                claimed = await self._claim(queue, room)
                queue.more = len(claimed) == room
                queue.claimed.extend((given, now()) for given in claimed)
                for _ in range(min(queue.at_once - queue.busy, len(queue.claimed))):
                    queue.busy += 1
                    task = asyncio.create_task(self._work(queue))
                    self._workers.add(task)
                    task.add_done_callback(self._workers.discard)
                if not queue.more:
                    break

    async def _claim(self, queue: EndpointQueue, most: int) -> list[StoredDelivery]:
        with suppress_transient():
            async with self._claims, self._single.connect() as conn:
                return await store_claims.claim(
                    conn,
                    queue.name,
                    most=most,
                    reserved=queue.reserved(most),
                    begun=queue.idle,
                    repeats_unknown=self._repeats_unknown,
                    token=clock.new_id(),
                    instance=self._instance,
                    lease_s=self._lease_s,
                )
        self._rounds.stir()
        return []

    async def _work(self, queue: EndpointQueue) -> None:
        """Send claimed deliveries one after the other until none is left."""
        now = asyncio.get_running_loop().time
        try:
            while queue.busy <= queue.at_once:
                given, late = queue.next(now())
                if late:
                    await self._leases.give_back(late)
                    self._rounds.stir()
                if given is None:
                    break
                await self._attempt(queue, given)
                if queue.more and len(queue.claimed) < queue.concurrency:
                    queue.wake.set()
        finally:
            queue.busy -= 1

    async def _attempt(self, queue: EndpointQueue, given: StoredDelivery) -> None:
        now = asyncio.get_running_loop().time
        started, started_at, begun = now(), clock.utc_now(), False

        async def begin() -> None:
            nonlocal begun
            if given.began_at is None:  # otherwise its claim marked it
                await self._beginnings.begin(given)
            begun = True

        self._leases.hold(given)
        try:
            result = await queue.send(given, begin)
        except NotBegun:
            await self._give_back(given)
            return
        except Refused as refusal:
            result = Result(Impossible(str(refusal)))
        except asyncio.CancelledError:
            if begun:
                result = Result(MaybeSent("the process stopped before an answer came", ours=True))
                self._recorder.put(Attempted(given, started_at, clock.utc_now(), result.outcome))
            else:
                await self._give_back(given)
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours; the delivery has to end, not the queue
            _LOG.error("send_failed", delivery=str(given.id), endpoint=queue.name, exc_info=error)
            fault = f"a fault of ours: {type(error).__name__}"
            result = Result(MaybeSent(fault, ours=True) if begun else Impossible(fault))
        self._recorder.put(Attempted(given, started_at, clock.utc_now(), result.outcome, result.status, result.excerpt))
        queue.learn(result.outcome, now() - started, now(), jitter=self._dice.random())
        self._metrics.attempt_seconds.labels(queue.name).observe(now() - started)
        if result.about_us:
            self._metrics.refused_us.labels(queue.name).inc()

    async def _give_back(self, given: StoredDelivery) -> None:
        self._leases.let_go(given)
        await self._leases.give_back([given])
        self._rounds.stir()

    def _recorded(self, attempted: Sequence[Attempted], endpoints: Iterable[str], again: bool) -> None:
        for each in attempted:
            self._leases.let_go(each.given)
        self.wake(endpoints)
        if again:
            self._rounds.stir()
        self._on_facts()
