"""What a batch begins with: what is stored of whatever its events name."""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.statement import Statement

# One statement, since between idle and flood it is the round trips that cost.
_FIND = Statement("""
    WITH RECURSIVE trail AS (
        SELECT id AS asked, id, merged_into FROM contacts WHERE id = ANY(CAST(:contacts AS uuid[]))
        UNION ALL
        SELECT trail.asked, c.id, c.merged_into FROM trail JOIN contacts c ON c.id = trail.merged_into
    )
    SELECT 'event' AS what, id, CAST(NULL AS text) AS key, CAST(NULL AS uuid) AS contact_id
        FROM events WHERE id = ANY(CAST(:events AS uuid[]))
    UNION ALL SELECT 'erased', NULL, NULL, NULL WHERE EXISTS (SELECT FROM erased)
    UNION ALL SELECT 'key', NULL, key, contact_id FROM identities WHERE key = ANY(CAST(:keys AS text[]))
    UNION ALL SELECT 'contact', asked, NULL, id FROM trail WHERE merged_into IS NULL
""")


@dataclass(slots=True)
class Found:
    """What is stored of what a batch names."""

    events: set[UUID] = field(default_factory=set)  # those that are folded already
    any_erased: bool = False  # whether anybody was, lately
    keys: dict[str, UUID] = field(default_factory=dict)  # the contact of each key that is known
    became: dict[UUID, UUID] = field(default_factory=dict)  # the contact that each known contact has become


async def find(
    conn: AsyncConnection, events: Collection[UUID], keys: Collection[str], contacts: Collection[UUID]
) -> Found:
    """Which of these are known."""
    found = Found()
    asked = {"events": list(events), "keys": list(keys), "contacts": list(contacts)}
    for what, identifier, key, contact_id in await _FIND.rows(conn, asked):
        if what == "key":
            found.keys[key] = contact_id
        elif what == "contact":
            found.became[identifier] = contact_id
        elif what == "event":
            found.events.add(identifier)
        else:
            found.any_erased = True
    return found
