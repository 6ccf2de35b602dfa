"""What a batch begins with: what is stored of whatever its events name."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact.contact import ContactState, decode_state
from shared.db.statement import Statement

# One statement, since between idle and flood it is the round trips that cost.
_FOUND: Final = """
    WITH RECURSIVE trail AS (
        SELECT id AS asked, id, merged_into FROM contacts WHERE id = ANY(CAST(:contacts AS uuid[]))
        UNION ALL
        SELECT trail.asked, c.id, c.merged_into FROM trail JOIN contacts c ON c.id = trail.merged_into
    ), known AS (
        SELECT key, contact_id FROM identities WHERE key = ANY(CAST(:keys AS text[]))
    )
    SELECT 'event' AS what, id, CAST(NULL AS text), CAST(NULL AS uuid), CAST(NULL AS bytea)
        FROM events WHERE id = ANY(CAST(:events AS uuid[]))
    UNION ALL SELECT 'erased', NULL, NULL, NULL, NULL WHERE EXISTS (SELECT FROM erased)
    UNION ALL SELECT 'key', NULL, key, contact_id, NULL FROM known
    UNION ALL SELECT 'contact', asked, NULL, id, NULL FROM trail WHERE merged_into IS NULL
"""
_FIND: Final = Statement(_FOUND)
_FIND_WITH_STATES: Final = Statement(f"""
    {_FOUND}
    UNION ALL SELECT 'state', id, CAST(xmin AS text), NULL, state FROM contacts
        WHERE merged_into IS NULL AND id = ANY(ARRAY(  -- as an array, or a plan made while there are few would read all
            SELECT contact_id FROM known UNION ALL SELECT id FROM trail WHERE merged_into IS NULL
        ))
""")  # noqa: S608 - SQL of this module, no input


class Seen(NamedTuple):
    """A contact that is not locked: its state, and what its row is told by, which each change of it changes."""

    state: ContactState
    row: str


@dataclass(slots=True)
class Found:
    """What is stored of what a batch names."""

    events: set[UUID] = field(default_factory=set)  # those that are folded already
    any_erased: bool = False  # whether anybody was, lately
    keys: dict[str, UUID] = field(default_factory=dict)  # the contact of each key that is known
    became: dict[UUID, UUID] = field(default_factory=dict)  # the contact that each known contact has become
    seen: dict[UUID, Seen] = field(default_factory=dict)  # these contacts, if they were asked for


async def find(
    conn: AsyncConnection,
    events: Collection[UUID],
    keys: Collection[str],
    contacts: Collection[UUID],
    *,
    with_states: bool = False,
) -> Found:
    """Which of these are known."""
    found = Found()
    asked = {"events": list(events), "keys": list(keys), "contacts": list(contacts)}
    statement = _FIND_WITH_STATES if with_states else _FIND
    for what, identifier, key, contact_id, state in await statement.rows(conn, asked):
        if what == "key":
            found.keys[key] = contact_id
        elif what == "contact":
            found.became[identifier] = contact_id
        elif what == "event":
            found.events.add(identifier)
        elif what == "state":
            found.seen[identifier] = Seen(decode_state(state), key)
        else:
            found.any_erased = True
    return found
