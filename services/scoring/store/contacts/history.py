"""The stored events of contacts, read again."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact.contact import ContactState
from services.scoring.store.contacts.states import read_states

_ALL_OF = sa.text("""
    SELECT contact_id, body FROM events WHERE contact_id = ANY(CAST(:ids AS uuid[])) ORDER BY contact_id, time, id
""")
_WHO_ASKED = sa.text("""
    SELECT id FROM contacts WHERE merged_into IS NULL AND stage <> 'visitor' ORDER BY id DESC LIMIT :most
""")  # ids grow with time
# Who bought, or asked a month ago: where the outcome is new, though for some it is not.
_WHOSE_OUTCOME = sa.text("""
    SELECT id FROM (
        SELECT contact_id AS id, stored_at AS at FROM events
        WHERE type = 'purchase.completed' AND stored_at > :since AND contact_id IS NOT NULL
        UNION ALL
        SELECT id, asked_at + :ripe FROM contacts
        WHERE merged_into IS NULL AND asked_at > CAST(:since AS timestamptz) - :ripe
            AND asked_at <= CAST(:until AS timestamptz) - :ripe
        UNION ALL
        SELECT id, open_since + :ripe FROM contacts
        WHERE merged_into IS NULL AND open_since > CAST(:since AS timestamptz) - :ripe
            AND open_since <= CAST(:until AS timestamptz) - :ripe
    ) AS due GROUP BY id ORDER BY max(at) DESC, id LIMIT :most
""").bindparams(sa.bindparam("ripe", type_=sa.Interval()))
_CUSTOMERS = sa.text("SELECT id, state FROM contacts WHERE merged_into IS NULL AND stage = 'customer'")
_AT_ONCE = 500  # rows in memory


async def who_asked(conn: AsyncConnection, most: int) -> list[UUID]:
    """The newest contacts who are or were leads, or customers."""
    return list((await conn.execute(_WHO_ASKED, {"most": most})).scalars())


async def whose_outcome(
    conn: AsyncConnection, since: datetime, until: datetime, ripe: timedelta, most: int
) -> list[UUID]:
    """The contacts who bought in this time, or whose lead then turned `ripe`; if there are more, the latest ones."""
    given = {"since": since, "until": until, "ripe": ripe, "most": most}
    return sorted((await conn.execute(_WHOSE_OUTCOME, given)).scalars())


async def customers(conn: AsyncConnection) -> AsyncIterator[ContactState]:
    """The state of every customer, where it can be read."""
    result = await conn.stream(_CUSTOMERS, execution_options={"yield_per": _AT_ONCE})
    async for some in result.partitions():
        for state in read_states(some):
            yield state


async def of_contacts(conn: AsyncConnection, contacts: Sequence[UUID]) -> AsyncIterator[tuple[UUID, bytes]]:
    """Every stored event of these contacts, each contact's in the order of their times."""
    result = await conn.stream(_ALL_OF, {"ids": contacts}, execution_options={"yield_per": _AT_ONCE})
    async for row in result:
        yield row.contact_id, bytes(row.body)
