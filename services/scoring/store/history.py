"""The stored events of contacts, read again."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_ALL_OF = sa.text("""
    SELECT contact_id, body FROM events WHERE contact_id = ANY(CAST(:ids AS uuid[])) ORDER BY contact_id, time, id
""")
_AT_ONCE = 500  # rows in memory


async def of_contacts(conn: AsyncConnection, contacts: Sequence[UUID]) -> AsyncIterator[tuple[UUID, bytes]]:
    """Every stored event of these contacts with whose it is; each contact's in the order of their times."""
    result = await conn.stream(_ALL_OF, {"ids": contacts}, execution_options={"yield_per": _AT_ONCE})
    async for row in result:
        yield row.contact_id, bytes(row.body)
