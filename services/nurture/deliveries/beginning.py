"""Notes that deliveries are about to be sent: those of one moment in one statement, so that each costs little."""

import asyncio
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.deliveries.sending import NotBegun
from services.nurture.store import leases as store_leases
from services.nurture.store.deliveries import Given
from shared import log
from shared.db.transient import is_transient

_LOG = log.get(__name__)
_AT_ONCE: Final = 500


class Beginnings:
    """Gathers what begins while a statement is under way, and notes it with the next."""

    def __init__(self, engine: AsyncEngine, *, lease_s: float) -> None:
        """`engine` commits each statement."""
        self._engine = engine
        self._lease_s = lease_s
        self._waiting: list[tuple[Given, asyncio.Future[bool]]] = []
        self._noting: asyncio.Task[None] | None = None

    async def begin(self, given: Given) -> None:
        """Return once it is noted that the sending begins. Raises NotBegun: it must not be sent."""
        noted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, noted))
        if self._noting is None:
            self._noting = asyncio.create_task(self._note())
        if not await noted:
            raise NotBegun

    async def _note(self) -> None:
        try:
            while self._waiting:
                some, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                begun = await self._begun([given for given, _ in some])
                for given, noted in some:
                    if not noted.done():  # else its attempt was cancelled
                        noted.set_result(given.id in begun)
        finally:
            self._noting = None

    async def _begun(self, givens: list[Given]) -> set[object]:
        try:
            async with self._engine.connect() as conn:
                return set(await store_leases.begin(conn, givens, lease_s=self._lease_s))
        except Exception as error:  # noqa: BLE001 - whatever it is: nothing was sent, and nothing is lost
            if not is_transient(error):
                _LOG.error("sending_not_begun", deliveries=len(givens), exc_info=error)
            return set()
