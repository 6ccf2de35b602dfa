"""Who works on whom: a claim is taken, extended, given back, snoozed, or runs out; each of these is an event.

A claim lasts for a fixed time, without a heartbeat: a closed page keeps a contact for no longer than that.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.facts import FactMaker
from services.scoring.store import changes
from services.scoring.store import claims as store
from services.scoring.store.claims import Claim
from shared.db.tables import audit
from shared.db.tables import facts as outbox
from shared.db.tables.facts import Fact
from shared.db.turns import take_turns
from shared.events.identity import Identity
from shared.events.types import ContactClaimed, ContactReleased
from shared.tokens import Actor

LEASE: Final = timedelta(minutes=20)
_LOOK_S: Final = 2.0
_MISSED: Final = timedelta(hours=1)  # of a stop: pages that watched longer ago are told to read everything again
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody else has the contact."""

    by: Claim


@dataclass(frozen=True, slots=True)
class Claiming:
    """The actions on claims; `now` comes with each call."""

    engine: AsyncEngine
    facts: FactMaker
    new_id: Callable[[], UUID]

    async def claim(
        self, contact_id: UUID, who: str, now: datetime, by: Actor | None = None, *, said: str = "claimed"
    ) -> Claim | Held | None:
        """Take the contact on; whoever already has it keeps the claim as it is. None when there is no such contact.

        `by`: who asks for it, here and below; `who`, unless somebody else is named. `said`: what the audit says.
        """
        async with self.engine.begin() as conn:
            found = await store.survivor(conn, contact_id) or await store.survivor(conn, contact_id)
            if found is None:
                return None
            return await self._claim(conn, found, who, now, by, said)

    async def first_of(
        self, contacts: Sequence[UUID], who: str, now: datetime, by: Actor | None = None, *, said: str = "claimed"
    ) -> Claim | None:
        """Take on the first of these that is free."""
        for contact_id in contacts:
            taken = await self.claim(contact_id, who, now, by, said=said)
            if isinstance(taken, Claim) and taken.since == now:
                return taken
        return None

    async def extend(self, claim_id: UUID, now: datetime, by: Actor | None = None) -> Claim | None:
        """Restart the time of a claim. None when it has ended."""
        async with self.engine.begin() as conn:
            claim = await store.extend(conn, claim_id, now, now + LEASE)
            if claim is not None:
                await outbox.insert(conn, [self._claimed(claim, now)])
                await self._note(conn, claim, "claim extended", now, by)
            return claim

    async def end(
        self, claim_id: UUID, now: datetime, snoozed_until: datetime | None = None, by: Actor | None = None
    ) -> Claim | None:
        """Give a contact back, or snooze it. None when the claim has ended."""
        reason = "released" if snoozed_until is None else "snoozed"
        async with self.engine.begin() as conn:
            claim = await store.end(conn, claim_id, reason, now, snoozed_until)
            if claim is not None:
                await outbox.insert(conn, [self._released(claim, now)])
                await self._note(conn, claim, f"claim {reason}", now, by)
                await changes.note(conn, [claim.contact_id], queue=True)
            return claim

    async def run_out(self, now: datetime) -> int:
        """End claims that have run out, and publish those that merges have ended; return how many."""
        async with self.engine.begin() as conn:
            ended = [*await store.run_out(conn, now, _AT_ONCE), *await store.untold(conn, _AT_ONCE)]
            await outbox.insert(conn, [self._released(claim, now) for claim in ended])
            if ended:
                await changes.note(conn, {claim.contact_id for claim in ended}, queue=True)
        return len(ended)

    async def wake(self, since: datetime, now: datetime) -> int:
        """Let pages know of contacts whose snooze has ended since then; return how many."""
        async with self.engine.begin() as conn:
            contacts = await store.awake(conn, since, now)
            if contacts:
                await changes.note(conn, contacts, queue=True)
        return len(contacts)

    async def _claim(
        self, conn: AsyncConnection, contact_id: UUID, who: str, now: datetime, by: Actor | None, said: str
    ) -> Claim | Held:
        told = []
        if (over := await store.run_out_of(conn, contact_id, now)) is not None:
            told.append(self._released(over, now))
        claim = await store.claim(conn, self.new_id(), contact_id, who, now, now + LEASE)
        if claim is not None:
            await outbox.insert(conn, [*told, self._claimed(claim, now)])
            await self._note(conn, claim, said, now, by)
            await changes.note(conn, [contact_id], queue=True)
            return claim
        holder = await store.open_of(conn, contact_id)
        if holder is None:  # given back just now
            return await self._claim(conn, contact_id, who, now, by, said)
        return holder if holder.who == who else Held(holder)

    async def _note(self, conn: AsyncConnection, claim: Claim, action: str, now: datetime, by: Actor | None) -> None:
        actor = by or Actor(claim.who, "")
        await audit.note(conn, self.new_id(), now, actor, action, contact=claim.contact_id, subject=str(claim.id))

    def _claimed(self, claim: Claim, now: datetime) -> Fact:
        data = ContactClaimed(
            identity=Identity(contact_id=claim.contact_id), claim=claim.id, who=claim.who, until=claim.until
        )
        return self.facts.about(claim.contact_id, "contact.claimed", data, now)

    def _released(self, claim: Claim, now: datetime) -> Fact:
        data = ContactReleased(
            identity=Identity(contact_id=claim.contact_id),
            claim=claim.id,
            who=claim.who,
            reason=claim.ended,  # type: ignore[arg-type]  # the schema knows no other
            snoozed_until=claim.snoozed_until,
        )
        return self.facts.about(claim.contact_id, "contact.released", data, now)


async def keep_claims(claiming: Claiming, clock: Callable[[], datetime], stopping: asyncio.Event) -> None:
    """End expired claims, and tell of snoozes that have ended, until stopped."""
    told_until = clock() - _MISSED  # while no process was running, nobody told

    async def turn() -> float | None:
        nonlocal told_until
        now = clock()
        await claiming.wake(told_until, now)
        told_until = now
        return None if await claiming.run_out(now) >= _AT_ONCE else _LOOK_S

    await take_turns("claims_wait", turn, stopping)
