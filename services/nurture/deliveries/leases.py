"""Keeps the leases of what this process sends, and takes over from processes that are gone.

A holder renews until the attempt's outcome is recorded. A lease that expired while the database was away says
nothing about its holder: after an outage all leases count as renewed, so that holders can record their outcomes before
anybody takes over.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.deliveries.attempts import Attempted
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import MaybeSent
from services.nurture.store.deliveries import leases as store_leases
from shared import clock, log
from shared.db.transient import suppress_transient
from shared.db.turns import until_done
from shared.runtime.deadlines import LEASE_S
from shared.runtime.pause import pause

_LOG = log.get(__name__)
_LOOK_EVERY_S: Final = 3.0
RENEWALS: Final = 3  # in the time of a lease
STALLED: Final = 1 / 6  # of a lease without an answer from the database counts as an outage, whoever stalled
_AT_ONCE: Final = 500

_ById: TypeAlias = dict[UUID, StoredDelivery]


@dataclass(slots=True)
class Calm:
    """Whether the database has been up for so long that an expired lease means that its holder is gone.

    Times in seconds of one clock. It starts out calm.
    """

    lease_s: float = LEASE_S
    answered_at: float | None = None
    troubled_at: float | None = None

    def answered(self, now: float) -> None:
        """The database has just answered."""
        if self.answered_at is not None and now - self.answered_at > self.lease_s * STALLED:
            self.troubled_at = now
        self.answered_at = now

    def failed(self, now: float) -> None:
        """The database has not answered."""
        self.troubled_at = now

    def holds(self, now: float) -> bool:
        """Whether expired leases may be taken over."""
        return self.troubled_at is None or now - self.troubled_at > self.lease_s


class Leases:
    """The leases of one process; `run` is a task of the deliverer."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        instance: str,
        on_lost: Callable[[Attempted], None],
        wake: Callable[[Iterable[str]], None],
        lease_s: float = LEASE_S,
    ) -> None:
        """`engine` commits each statement. `on_lost` is called with attempts of others without an outcome.

        `wake` is called with queues that have rows again.
        """
        self._engine = engine
        self._instance = instance
        self._on_lost = on_lost
        self._wake = wake
        self._held: _ById = {}
        self._unsent: _ById = {}
        self._lease_s = lease_s
        self._calm = Calm(lease_s)

    def hold(self, given: StoredDelivery) -> None:
        """Renew this lease until `let_go`."""
        self._held[given.id] = given

    def let_go(self, given: StoredDelivery) -> None:
        """Stop renewing: its outcome is recorded, or it was given back."""
        if self._held.get(given.id) is given:
            del self._held[given.id]

    async def give_back(self, givens: Iterable[StoredDelivery]) -> None:
        """Put back what is known to be unsent, as soon as the database is there."""
        self._unsent |= {given.id: given for given in givens}
        unsent = list(self._unsent.values())
        if not unsent:
            return
        with suppress_transient():
            async with self._engine.connect() as conn:
                await store_leases.release(conn, unsent)
            for given in unsent:
                if self._unsent.get(given.id) is given:
                    del self._unsent[given.id]

    async def end_earlier_life(self, stopping: asyncio.Event) -> None:
        """Take over what this instance held when it was killed: nobody else can have its outcome."""

        async def end() -> None:
            async with self._engine.connect() as conn:
                await store_leases.end(conn, self._instance)

        await until_done(end, stopping)

    async def run(self, ended: asyncio.Event) -> None:
        """Renew, give back and take over until `ended`."""
        now = asyncio.get_running_loop().time
        renew_at = now()
        while not ended.is_set():
            with suppress_transient() as failed:
                if now() >= renew_at:
                    await self._renew()
                    renew_at = now() + self._lease_s / RENEWALS
                await self.give_back(())
                while await self._reclaim():
                    pass
                self._calm.answered(now())
            if failed.error is not None:
                self._calm.failed(now())
                renew_at = now()
            await pause(ended, min(_LOOK_EVERY_S, self._lease_s / 10))

    async def _renew(self) -> None:
        async with self._engine.connect() as conn:
            await store_leases.renew(conn, list(self._held.values()), lease_s=self._lease_s)

    async def _reclaim(self) -> bool:
        """Take over what others no longer hold; return whether there may be more."""
        calm = self._calm.holds(asyncio.get_running_loop().time())
        async with self._engine.connect() as conn:
            unbegun = await store_leases.put_back(conn, most=_AT_ONCE, calm=calm, lease_s=self._lease_s)
            unanswered = await store_leases.take_over(
                conn,
                most=_AT_ONCE,
                calm=calm,
                token=clock.new_id(),
                instance=self._instance,
                lease_s=self._lease_s,
            )
        self._wake(set(unbegun))
        for given in unanswered:
            self.hold(given)
            self._on_lost(lost(given, clock.utc_now()))
        if unbegun or unanswered:
            _LOG.warning("leases_ended", unbegun=len(unbegun), unanswered=len(unanswered))
        return _AT_ONCE in (len(unbegun), len(unanswered))


def lost(given: StoredDelivery, now: datetime) -> Attempted:
    """The attempt of a process that recorded no outcome in time."""
    outcome = MaybeSent("the process that sent it did not say what came of it", ours=True)
    return Attempted(given, given.began_at or now, now, outcome)
