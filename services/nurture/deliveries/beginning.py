"""Marks deliveries as begun, those of one moment in one transaction, so that each costs little.

The same transaction checks consent: what was withdrawn before is not sent.
"""

import asyncio
from typing import Final, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.nurture.channels.sending import NotBegun, Refused
from services.nurture.deliveries.permission import refusals
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.mail.caps import MailCaps
from services.nurture.store.deliveries import leases as store_leases
from shared import log
from shared.db.transient import suppress_transient, suppress_unless_transient

_LOG = log.get(__name__)
_AT_ONCE: Final = 500
_Answer: TypeAlias = NotBegun | Refused | None


class Beginnings:
    """Gathers what begins while one transaction runs, and marks it in the next."""

    def __init__(self, engine: AsyncEngine, *, lease_s: float, caps: MailCaps) -> None:
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._lease_s = lease_s
        self._caps = caps
        self._waiting: list[tuple[StoredDelivery, asyncio.Future[_Answer]]] = []
        self._noting: asyncio.Task[None] | None = None

    async def begin(self, given: StoredDelivery) -> None:
        """Return once the delivery is marked as begun. Raises NotBegun, or Refused: it must not be sent."""
        noted: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, noted))
        if self._noting is None:
            self._noting = asyncio.create_task(self._note())
        refusal = await noted
        if refusal is not None:
            raise refusal

    async def _note(self) -> None:
        try:
            while self._waiting:
                some, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                answers = await self._answers([given for given, _ in some])
                for given, noted in some:
                    if not noted.done():  # otherwise its attempt was cancelled
                        noted.set_result(answers.get(given.id, NotBegun()))
        finally:
            self._noting = None

    async def _answers(self, givens: list[StoredDelivery]) -> dict[UUID, _Answer]:
        # Whatever fails: nothing was sent, and nothing is lost.
        with suppress_transient(), suppress_unless_transient() as failed:
            refused: dict[UUID, str] = {}
            if any(given.recipient is not None for given in givens):
                async with self._engine.begin() as conn:
                    refused = await refusals(conn, givens, self._caps)
                    allowed = [given for given in givens if given.id not in refused]
                    begun = await store_leases.begin(conn, allowed, lease_s=self._lease_s)
            else:  # no consent to check: one statement needs no transaction around it
                async with self._single.connect() as conn:
                    begun = await store_leases.begin(conn, givens, lease_s=self._lease_s)
            return dict.fromkeys(begun) | {each: Refused(reason) for each, reason in refused.items()}
        if failed.error is None:
            return {}
        if len(givens) > 1:  # one of them is at fault: do the others without it
            return {key: answer for each in givens for key, answer in (await self._answers([each])).items()}
        _LOG.error("sending_not_begun", delivery=str(givens[0].id), exc_info=failed.error)
        return {givens[0].id: Refused(f"its sending could not begin: {type(failed.error).__name__}")}
