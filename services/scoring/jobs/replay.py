"""Makes all that scoring knows of its contacts anew from stored events, beside live traffic; compares; switches.

Everything is made in a shadow (store/replay.py) first. What was written meanwhile is made again until little is left;
then, in one transaction in which nobody else writes a contact, the rest is, and what differs is replaced. Nothing is
published, so no follow-up comes of it: as after a re-valuation the contact's next update brings its values.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scoring.domain.contact.replay import Rebuilt
from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.jobs.remake import Found, Made, Remaking, read_state
from services.scoring.models import InForce
from services.scoring.store import changes
from services.scoring.store import orders as order_store
from services.scoring.store.contacts import replay, shadow
from services.scoring.store.contacts.replay import Booked
from services.scoring.store.contacts.shadow import Kind
from shared import log
from shared.db.tables import audit
from shared.db.transient import is_transient
from shared.errors import FirsthourError
from shared.tokens import Actor

_LOG = log.get(__name__)
_AT_ONCE: Final = 200  # contacts
_LITTLE: Final = 1000  # contacts that may be left to the transaction in which nobody else writes
_ROUNDS: Final = 10
_TRIES: Final = 5
_NIL: Final = UUID(int=0)


class CannotReplay(FirsthourError):  # noqa: N818 - reads as what happened
    """Another replay is under way, or writing never paused; the message says which. Nothing has changed."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay came to. `kinds`: in what contacts differed; `kept`: why those that stay as they are do."""

    contacts: int
    events: int
    different: int
    kinds: Mapping[str, Kind]
    kept: Mapping[str, Kind]
    booked: Mapping[str, int]
    switched: bool


@dataclass(slots=True)
class Replaying:
    """What is needed for it. `told`: called with how many contacts of how many are done."""

    engine: AsyncEngine
    models: InForce
    bulk_topic: str
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    told: Callable[[int, int], Awaitable[None]]
    _returned: dict[OrderKey, tuple[UUID, Order]] = field(init=False, default_factory=dict)

    async def run(self, by: Actor, *, compare_only: bool = False) -> Report:
        """Replay. Raises CannotReplay, and then has changed nothing; however it ends before the switch, nothing has."""
        async with self.engine.connect() as plain:
            conn = await plain.execution_options(isolation_level="REPEATABLE READ")
            async with conn.begin():
                if not await replay.alone(conn):
                    raise CannotReplay("another replay is under way")
                await shadow.make(conn)
                many = await replay.how_many(conn)
            await self._everybody(conn, many)
            await self._catch_up(conn)
            async with conn.begin():
                await shadow.drop_gone(conn)
                found, _ = await shadow.verdicts(conn)
                off = 0 if await shadow.changed(conn) else await shadow.off(conn)
            switched = bool(found.get("different") or off) and not compare_only
            if switched:
                await self._switch(conn, by)
            async with conn.begin():
                return await self._report(conn, off, switched=switched)

    async def _everybody(self, conn: AsyncConnection, many: int) -> None:
        after, done = _NIL, 0
        while True:
            async with conn.begin():
                await self._look(conn)
                ids = await replay.following(conn, after, _AT_ONCE)
                await self._make(conn, ids)
            if not ids:
                return
            after, done = ids[-1], done + len(ids)
            await self.told(min(done, many), many)

    async def _catch_up(self, conn: AsyncConnection) -> None:
        """Make anew who was written meanwhile, until little is left or it does not become less."""
        for _ in range(_ROUNDS):
            async with conn.begin():
                changed = await shadow.changed(conn)
            for begin in range(0, len(changed), _AT_ONCE):
                async with conn.begin():
                    await self._look(conn)
                    await self._make(conn, changed[begin : begin + _AT_ONCE])
            if len(changed) <= _LITTLE:
                return

    async def _switch(self, conn: AsyncConnection, by: Actor) -> None:
        for attempt in range(_TRIES):
            try:
                async with conn.begin():
                    await shadow.stop(conn)
                    await self._replace(conn, by)
            except Exception as error:
                if conn.invalidated or not is_transient(error) or attempt == _TRIES - 1:
                    raise
                _LOG.warning("replay_waits", reason=log.reason(error))
                await self._catch_up(conn)
            else:
                return

    async def _replace(self, conn: AsyncConnection, by: Actor) -> None:
        """In the transaction in which nobody else writes a contact."""
        await self._look(conn)
        changed = await shadow.changed(conn)
        for begin in range(0, len(changed), _AT_ONCE):
            await self._make(conn, changed[begin : begin + _AT_ONCE])
        await shadow.drop_gone(conn)
        now = self.clock()
        who = await shadow.switch(conn, now)
        await changes.note(conn, who, queue=True)
        await audit.note(conn, self.new_id(), now, by, "replayed", subject=f"{len(who)} contacts")

    async def _report(self, conn: AsyncConnection, off: int, *, switched: bool) -> Report:
        verdicts, events = await shadow.verdicts(conn)
        kinds = await shadow.kinds(conn)
        if off:
            kinds["sums"] = Kind(off, [])
        return Report(
            contacts=sum(verdicts.values()),
            events=events,
            different=verdicts.get("different", 0),
            kinds={kind: found for kind, found in kinds.items() if not kind.startswith("kept: ")},
            kept={kind.removeprefix("kept: "): found for kind, found in kinds.items() if kind.startswith("kept: ")},
            booked=await shadow.booked(conn),
            switched=switched,
        )

    async def _look(self, conn: AsyncConnection) -> None:
        await self.models.refresh(conn)
        self._returned = await replay.returned(conn)

    async def _make(self, conn: AsyncConnection, ids: Sequence[UUID]) -> None:
        """Make these contacts anew, into the shadow."""
        if not ids:
            return
        parts = await replay.parts(conn, ids)
        events = await replay.events(conn, ids, self.bulk_topic)
        orders = await order_store.of_contacts(conn, ids)
        items = await replay.bought(conn, ids)
        sums = await replay.sums(conn, ids)
        found = []
        for row in await replay.rows(conn, ids):
            who = row["id"]
            of = (parts.get(who, ()), events.get(who, ()), orders.get(who, {}), items.get(who, set()))
            found.append(Found(row, read_state(row["state"]), *of, sums.get(who, Booked())))
        remaking = Remaking(self.models.model, self._returned, self.clock, self.new_id)
        rebuilt = [(each, remaking.rebuilt(each)) for each in found]
        keys = {key for _, made in rebuilt if isinstance(made, Rebuilt) for key in made.keys}
        known = await replay.known(conn, keys) if keys else set()
        made = Made()
        for each, anew in rebuilt:
            remaking.judge(each, anew, known, made)
        await shadow.keep(
            conn, made.verdicts, contacts=made.contacts, orders=made.orders, bookings=made.bookings,
            identities=list(made.identities.items()), bought=made.bought, stands=made.stands,
        )  # fmt: skip
