"""SQL of what a replay makes contacts anew of: their rows, their parts, their events and what is booked of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.store import orders as order_store
from services.scoring.store.contacts.batch import CONTACT_COLUMNS
from services.scoring.store.retention import COMPACTED

_LOCK: Final = sa.text("SELECT pg_try_advisory_lock(hashtext('firsthour replay'))")
_HOW_MANY: Final = sa.text("SELECT count(*) FROM contacts WHERE merged_into IS NULL")
_FOLLOWING: Final = sa.text("""
    SELECT id FROM contacts WHERE merged_into IS NULL AND id > :after ORDER BY id LIMIT :limit
""")
_ROWS: Final = sa.text(f"""
    SELECT xmin::text AS seen, {", ".join(CONTACT_COLUMNS)} FROM contacts
    WHERE id = ANY(CAST(:ids AS uuid[])) AND merged_into IS NULL ORDER BY id
""")  # noqa: S608 - names of ours
_PARTS: Final = sa.text("""
    WITH RECURSIVE down AS (
        SELECT n.id AS root, n.id FROM unnest(CAST(:ids AS uuid[])) AS n (id)
        UNION ALL
        SELECT down.root, c.id FROM down JOIN contacts c ON c.merged_into = down.id
    )
    SELECT down.root, c.id, c.created_at, c.state, m.events, m.keys
    FROM down JOIN contacts c USING (id) LEFT JOIN merges m ON m.loser = c.id
    WHERE c.merged_into IS NOT NULL ORDER BY down.root, m.at, cardinality(m.events), c.id
""")
# As the batches had them: by transaction, the live lane first, then by place.
_EVENTS: Final = sa.text("""
    SELECT contact_id, body FROM events WHERE contact_id = ANY(CAST(:ids AS uuid[]))
    ORDER BY contact_id, stored_at, topic = :bulk, topic, partition, "offset"
""")
_SUMS: Final = sa.text("""
    SELECT contact_id, sum(amount) FILTER (WHERE account = 'lead') AS lead,
        sum(amount) FILTER (WHERE account = 'customer') AS customer, bool_or(model = :compacted) AS compacted
    FROM bookings WHERE contact_id = ANY(CAST(:ids AS uuid[])) GROUP BY contact_id
""")
_BOUGHT: Final = sa.text("""
    SELECT contact_id, item FROM bought WHERE contact_id = ANY(CAST(:ids AS uuid[])) AND item <> ''
""")
_KNOWN_KEYS: Final = sa.text("SELECT key FROM identities WHERE key = ANY(CAST(:keys AS text[]))")
_RETURNED: Final = sa.text("SELECT DISTINCT contact_id FROM orders WHERE currency = ''")


class Booked(NamedTuple):
    """What the bookings of a contact come to. `compacted`: some stand for events that are no longer stored."""

    lead: int = 0
    customer: int = 0
    compacted: bool = False


async def alone(conn: AsyncConnection) -> bool:
    """Whether nobody else replays; until the connection ends."""
    return bool((await conn.execute(_LOCK)).scalar_one())


async def how_many(conn: AsyncConnection) -> int:
    """Contacts there are."""
    return int((await conn.execute(_HOW_MANY)).scalar_one())


async def following(conn: AsyncConnection, after: UUID, limit: int) -> list[UUID]:
    """The next contacts in the order of their ids."""
    return list((await conn.execute(_FOLLOWING, {"after": after, "limit": limit})).scalars())


async def rows(conn: AsyncConnection, ids: Sequence[UUID]) -> list[Mapping[str, Any]]:
    """The rows of these contacts as they stand, `seen` being the version of the row."""
    return [row._asdict() for row in await conn.execute(_ROWS, {"ids": ids})]


async def parts(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[Mapping[str, Any]]]:
    """Who was merged into each, the earliest first; `events` is None where it was not kept what was whose."""
    found: dict[UUID, list[Mapping[str, Any]]] = {}
    for row in await conn.execute(_PARTS, {"ids": ids}):
        found.setdefault(row.root, []).append(row._asdict())
    return found


async def events(conn: AsyncConnection, ids: Sequence[UUID], bulk_topic: str) -> dict[UUID, list[bytes]]:
    """All stored events of each, in the order in which they came."""
    found: dict[UUID, list[bytes]] = {}
    for row in await conn.execute(_EVENTS, {"ids": ids, "bulk": bulk_topic}):
        found.setdefault(row.contact_id, []).append(bytes(row.body))
    return found


async def sums(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Booked]:
    """What the bookings of each come to."""
    found = await conn.execute(_SUMS, {"ids": ids, "compacted": COMPACTED})
    return {row.contact_id: Booked(int(row.lead or 0), int(row.customer or 0), row.compacted) for row in found}


async def bought(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, set[str]]:
    """What each has bought."""
    found: dict[UUID, set[str]] = {}
    for row in await conn.execute(_BOUGHT, {"ids": ids}):
        found.setdefault(row.contact_id, set()).add(row.item)
    return found


async def known(conn: AsyncConnection, keys: Collection[str]) -> set[str]:
    """Those of these keys that point to somebody."""
    return set((await conn.execute(_KNOWN_KEYS, {"keys": sorted(keys)})).scalars())


async def returned(conn: AsyncConnection) -> dict[OrderKey, tuple[UUID, Order]]:
    """Orders of which only a refund is known, with whose they are."""
    whose = list((await conn.execute(_RETURNED)).scalars())
    found = await order_store.of_contacts(conn, whose) if whose else {}
    return {
        key: (contact, order) for contact, theirs in found.items() for key, order in theirs.items() if not order.paid
    }
