"""SQL of the daily sweep: its progress, its next contacts, its bookings."""

from collections.abc import Sequence
from datetime import date
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import tables
from services.scoring.domain.contact.contact import ContactState
from services.scoring.store.contacts.batch import BookingRow
from services.scoring.store.contacts.states import read_states
from shared.db.arrays import Rows

_BEGIN = sa.text("""
    INSERT INTO sweeps (day, after) VALUES (:day, '00000000-0000-0000-0000-000000000000') ON CONFLICT (day) DO NOTHING
""")
_FORGET = sa.text("DELETE FROM sweeps WHERE day < :day")
# One process sweeps at a time; the others find the row locked and look again later.
_PLACE = sa.text("SELECT after, done FROM sweeps WHERE day = :day FOR UPDATE SKIP LOCKED")
_MOVE = sa.text("UPDATE sweeps SET after = :after, done = :done WHERE day = :day")
_NEXT = sa.text("""
    SELECT id FROM contacts WHERE id > :after AND merged_into IS NULL
        AND (open_since IS NOT NULL OR (CAST(:customers AS boolean) AND stage = 'customer'))
    ORDER BY id LIMIT :limit
""")
# In the batches' lock order. Contacts that a batch has locked are skipped: its event values them.
_LOCK = sa.text("""
    SELECT id, state FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) AND merged_into IS NULL
    ORDER BY id FOR UPDATE SKIP LOCKED
""")
# All sweeps share one booking per contact and account, or a year would make 365 of them.
_NEW: Final[Rows[BookingRow]] = Rows(
    tables.bookings,
    {name: attrgetter(name) for name in ("contact_id", "line", "account", "factor", "amount", "model", "time")},
)
_UPDATE = sa.text(f"""
    WITH new AS (
        SELECT * FROM {_NEW.unnested}
    ), gone AS (
        DELETE FROM bookings b USING new n
        WHERE b.contact_id = n.contact_id AND b.event_id = n.contact_id AND b.line = n.line AND b.amount + n.amount = 0
        RETURNING b.contact_id, b.line
    )
    INSERT INTO bookings AS b (contact_id, event_id, line, account, factor, amount, model, time)
    SELECT n.contact_id, n.contact_id, n.line, n.account, n.factor, n.amount, n.model, n.time
    FROM new n LEFT JOIN gone g USING (contact_id, line) WHERE g.contact_id IS NULL
    ON CONFLICT (contact_id, event_id, line) DO UPDATE
        SET amount = b.amount + excluded.amount, model = excluded.model, time = excluded.time
""")  # noqa: S608 - names of columns, no input


class Place(NamedTuple):
    """The progress of a day's sweep."""

    after: UUID
    done: bool


async def place(conn: AsyncConnection, day: date) -> Place | None:
    """The progress of this day's sweep, locked; None while another process sweeps."""
    await conn.execute(_BEGIN, {"day": day})
    row = (await conn.execute(_PLACE, {"day": day})).one_or_none()
    return Place(row.after, row.done) if row is not None else None


async def move(conn: AsyncConnection, day: date, to: Place) -> None:
    """Store the progress; delete that of earlier days."""
    await conn.execute(_MOVE, {"day": day, "after": to.after, "done": to.done})
    if to.done:
        await conn.execute(_FORGET, {"day": day})


async def following(conn: AsyncConnection, after: UUID, limit: int, *, customers: bool) -> list[UUID]:
    """The next contacts whose value time changes, in the order of their ids."""
    given = {"after": after, "limit": limit, "customers": customers}
    return list((await conn.execute(_NEXT, given)).scalars())


async def lock(conn: AsyncConnection, ids: Sequence[UUID]) -> list[ContactState]:
    """Lock and return their states, without those that a batch has locked or that cannot be read."""
    return read_states(await conn.execute(_LOCK, {"ids": ids}))


async def book(conn: AsyncConnection, rows: Sequence[BookingRow]) -> None:
    """Add to the standing bookings of these locked contacts, whose `event_id` is the contact's own."""
    await conn.execute(_UPDATE, _NEW.arrays(rows))
