"""SQL on contacts: the lock of each, into whom it was merged, and what lately happened to it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

REMEMBERED: Final = timedelta(days=1)  # then retention drops it
_MOST_OF_A_TYPE: Final = 10


class Recent(NamedTuple):
    """An event that may matter to a run that has not begun yet."""

    id: UUID
    contact_id: UUID
    type: str
    happened_at: datetime
    event: bytes


_MAKE: Final = sa.text("""
    INSERT INTO contacts (id) SELECT * FROM unnest(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING
""")
_LOCK: Final = sa.text("""
    SELECT id, merged_into FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE
""")
_MERGED_INTO: Final = sa.text("""
    WITH RECURSIVE chain AS (
        SELECT id, merged_into FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) AND merged_into IS NOT NULL
        UNION
        SELECT c.id, c.merged_into FROM contacts AS c JOIN chain ON c.id = chain.merged_into
        WHERE c.merged_into IS NOT NULL
    )
    SELECT id, merged_into FROM chain
""")
_MERGE: Final = sa.text("""
    UPDATE contacts AS c SET merged_into = u.survivor
    FROM unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS u (loser, survivor)
    WHERE c.id = u.loser
""")
_ALIVE: Final = sa.text("""
    UPDATE contacts SET merged_into = NULL WHERE id = ANY(CAST(:survivors AS uuid[])) AND merged_into IS NOT NULL
""")
# The active runs moved with the batch.
_ADOPT: Final = tuple(
    sa.text(f"""
        UPDATE {table} AS t SET contact_id = u.survivor
        FROM unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS u (loser, survivor)
        WHERE t.contact_id = u.loser {further}
    """)  # noqa: S608 - names of tables, no input
    for table, further in (("enrolments", "AND NOT t.listens"), ("recent_events", ""), ("refusals", ""))
)
_REMEMBER: Final = sa.text("""
    INSERT INTO recent_events (id, contact_id, type, happened_at, event)
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:contacts AS uuid[]), CAST(:types AS text[]), CAST(:times AS timestamptz[]),
        CAST(:events AS bytea[])
    )
    ON CONFLICT DO NOTHING
""")
_BOUND: Final = sa.text(f"""
    DELETE FROM recent_events WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (PARTITION BY contact_id, type ORDER BY happened_at DESC, id) AS place
            FROM recent_events WHERE contact_id = ANY(CAST(:contacts AS uuid[]))
        ) AS ranked WHERE place > {_MOST_OF_A_TYPE}
    )
""")  # noqa: S608 - a number of ours
_RECENT: Final = sa.text("""
    SELECT id, contact_id, type, happened_at, event FROM recent_events
    WHERE contact_id = ANY(CAST(:contacts AS uuid[])) ORDER BY happened_at, id
""")


async def lock(conn: AsyncConnection, contacts: Collection[UUID]) -> dict[UUID, UUID]:
    """Lock these contacts, in one order for all processes; return those that were merged, with whom they became."""
    if not contacts:
        return {}
    asked = {"ids": sorted(contacts)}
    await conn.execute(_MAKE, asked)
    return {row.id: row.merged_into for row in await conn.execute(_LOCK, asked) if row.merged_into is not None}


async def merged_into(conn: AsyncConnection, contacts: Collection[UUID]) -> dict[UUID, UUID]:
    """Of these contacts and of those whom they became, the merged ones, each with whom it became."""
    if not contacts:
        return {}
    return {row.id: row.merged_into for row in await conn.execute(_MERGED_INTO, {"ids": list(contacts)})}


async def merge(conn: AsyncConnection, merges: Mapping[UUID, UUID]) -> None:
    """Remember into whom each locked contact was merged, and give its history to the survivor."""
    arrays = {"losers": list(merges), "survivors": list(merges.values())}
    await conn.execute(_ALIVE, {"survivors": arrays["survivors"]})
    await conn.execute(_MERGE, arrays)
    for statement in _ADOPT:
        await conn.execute(statement, arrays)


async def remember(conn: AsyncConnection, events: Sequence[Recent]) -> None:
    """Keep events for runs that are yet to begin; of each type the newest few of a contact."""
    if not events:
        return
    await conn.execute(
        _REMEMBER,
        {
            "ids": [each.id for each in events],
            "contacts": [each.contact_id for each in events],
            "types": [each.type for each in events],
            "times": [each.happened_at for each in events],
            "events": [each.event for each in events],
        },
    )
    await conn.execute(_BOUND, {"contacts": list({each.contact_id for each in events})})


async def recent(conn: AsyncConnection, contacts: Collection[UUID]) -> list[Recent]:
    """What lately happened to these contacts, in the order in which it did."""
    if not contacts:
        return []
    return [Recent(*row) for row in await conn.execute(_RECENT, {"contacts": list(contacts)})]
