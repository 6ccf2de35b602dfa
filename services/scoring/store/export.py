"""Whole tables, row by row, for a file."""

from collections.abc import AsyncIterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

CONTACTS: Final = sa.text("""
    SELECT id, state, updated_at FROM contacts WHERE merged_into IS NULL ORDER BY id
""")
BOOKINGS: Final = sa.text("""
    SELECT contact_id, time, account, factor, amount, model, event_id, line FROM bookings
    ORDER BY contact_id, time, event_id, line
""")
EVENTS: Final = sa.text("""
    SELECT contact_id, time, type, id, body FROM events WHERE type <> 'erased' ORDER BY contact_id, time, id
""")
_AT_ONCE: Final = 1000  # rows in memory


async def rows(conn: AsyncConnection, of: sa.TextClause) -> AsyncIterator[Any]:
    async for row in await conn.stream(of, execution_options={"yield_per": _AT_ONCE}):
        yield row
