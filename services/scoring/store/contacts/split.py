"""SQL of merges that may be undone: what belonged to whom before, and how it is given back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact.contact import ContactState, decode_state
from services.scoring.store.retention import COMPACTED

# What the batch itself brings is not stored yet, or already with the survivor.
_REMEMBER: Final = sa.text("""
    INSERT INTO merges (loser, at, events, keys)
    SELECT CAST(:loser AS uuid), :now,
        ARRAY(SELECT id FROM events WHERE contact_id = :loser UNION SELECT unnest(CAST(:events AS uuid[]))),
        ARRAY(SELECT key FROM identities WHERE contact_id = :loser UNION SELECT unnest(CAST(:keys AS text[])))
    ON CONFLICT (loser) DO UPDATE SET at = excluded.at, events = excluded.events, keys = excluded.keys
""")
_MERGED_INTO: Final = sa.text("""
    SELECT c.id, m.at FROM contacts AS c LEFT JOIN merges AS m ON m.loser = c.id
    WHERE c.merged_into = :id ORDER BY m.at, c.id
""")
_MERGE: Final = sa.text("SELECT events, keys FROM merges WHERE loser = :loser")
_LOCK: Final = sa.text("""
    SELECT id, merged_into, state FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE
""")
_SUMMED_UP: Final = sa.text("SELECT EXISTS (SELECT FROM bookings WHERE contact_id = :id AND model = :model)")
_ALIVE: Final = sa.text("UPDATE contacts SET merged_into = NULL WHERE id = :id")
_GIVE_BACK: Final = (
    sa.text("""
        UPDATE identities SET contact_id = :loser WHERE contact_id = :survivor AND key = ANY(CAST(:keys AS text[]))
    """),
    sa.text("""
        UPDATE events SET contact_id = :loser WHERE contact_id = :survivor AND id = ANY(CAST(:events AS uuid[]))
    """),
    sa.text("""
        UPDATE bookings SET contact_id = :loser WHERE contact_id = :survivor AND event_id = ANY(CAST(:events AS uuid[]))
    """),
    sa.text("DELETE FROM orders WHERE contact_id = :survivor"),
    sa.text("DELETE FROM merges WHERE loser = :loser"),
)
_SUMS: Final = sa.text("""
    SELECT contact_id, account, sum(amount) AS amount FROM bookings
    WHERE contact_id = ANY(CAST(:ids AS uuid[])) GROUP BY contact_id, account
""")


class Part(NamedTuple):
    """A merge in a batch, with the loser's ids and keys that the batch itself brought."""

    loser: UUID
    events: list[UUID]
    keys: list[str]


class WasMerged(NamedTuple):
    """A contact merged into another. `at` None: merged before merges could be undone."""

    id: UUID
    at: datetime | None


async def remember(conn: AsyncConnection, parts: Sequence[Part], now: datetime) -> None:
    """Remember what belongs to each loser, before it goes to the survivor."""
    for part in parts:
        given = {"loser": part.loser, "now": now, "events": part.events, "keys": part.keys}
        await conn.execute(_REMEMBER, given)


async def merged_into(conn: AsyncConnection, contact_id: UUID) -> list[WasMerged]:
    """The contacts merged into this one, in order."""
    return [WasMerged(row.id, row.at) for row in await conn.execute(_MERGED_INTO, {"id": contact_id})]


async def lock(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, tuple[UUID | None, ContactState]]:
    """Lock these contacts: into whom each was merged, and its state (of a merged one, as it was)."""
    rows = await conn.execute(_LOCK, {"ids": ids})
    return {row.id: (row.merged_into, decode_state(row.state)) for row in rows}


async def of(conn: AsyncConnection, loser: UUID) -> tuple[list[UUID], list[str]] | None:
    """The events and keys that were the merged contact's."""
    row = (await conn.execute(_MERGE, {"loser": loser})).one_or_none()
    return None if row is None else (list(row.events), list(row.keys))


async def is_summed_up(conn: AsyncConnection, contact_id: UUID) -> bool:
    """Whether events of the contact have been dropped already."""
    return bool((await conn.execute(_SUMMED_UP, {"id": contact_id, "model": COMPACTED})).scalar_one())


async def give_back(
    conn: AsyncConnection, loser: UUID, survivor: UUID, events: Sequence[UUID], keys: Sequence[str]
) -> None:
    """Restore the merged contact, with its keys, events and bookings. The orders of both are to be rewritten."""
    given = {"loser": loser, "survivor": survivor, "events": events, "keys": keys}
    await conn.execute(_ALIVE, {"id": loser})
    for statement in _GIVE_BACK:
        await conn.execute(statement, given)


async def sums(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[tuple[UUID, str], int]:
    """The sum of the bookings of each, by account."""
    return {(row.contact_id, row.account): int(row.amount) for row in await conn.execute(_SUMS, {"ids": ids})}
