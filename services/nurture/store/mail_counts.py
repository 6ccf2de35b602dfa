"""SQL on the number of mails that public events caused today, by the database's day (UTC).

The rows stay locked until these mails are marked as begun, so that two processes never exceed a cap together.
"""

from collections.abc import Collection, Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture import tables
from services.nurture.domain.mail.caps import Counted
from shared.db.arrays import Rows, by_name, by_place

_TODAY: Final = "CAST(statement_timestamp() AT TIME ZONE 'UTC' AS date)"
_COUNTED: Final[Rows[Counted]] = Rows(tables.mail_counts, by_name(Counted))
_MORE: Final[Rows[tuple[str, str, int]]] = Rows(tables.mail_counts, by_place("kind", "name", "sent"))
_MAKE: Final = sa.text(f"""
    INSERT INTO mail_counts (day, kind, name, sent)
    SELECT {_TODAY}, kind, name, 0
    FROM {_COUNTED.unnested}
    ON CONFLICT DO NOTHING
""")  # noqa: S608 - no input
_LOCK: Final = sa.text(f"""
    SELECT c.kind, c.name, c.sent FROM mail_counts AS c
    JOIN {_COUNTED.unnested} USING (kind, name)
    WHERE c.day = {_TODAY}
    ORDER BY c.kind, c.name FOR NO KEY UPDATE OF c
""")  # noqa: S608 - no input
_ADD: Final = sa.text(f"""
    UPDATE mail_counts AS c SET sent = c.sent + u.sent
    FROM {_MORE.unnested}
    WHERE c.day = {_TODAY} AND c.kind = u.kind AND c.name = u.name
""")  # noqa: S608 - no input


async def lock(conn: AsyncConnection, counted: Collection[Counted]) -> dict[Counted, int]:
    """Today's counts of these, locked until the transaction ends."""
    arrays = _COUNTED.arrays(sorted(counted))  # one lock order for all
    await conn.execute(_MAKE, arrays)
    return {Counted(row.kind, row.name): row.sent for row in await conn.execute(_LOCK, arrays)}


async def add(conn: AsyncConnection, more: Mapping[Counted, int]) -> None:
    if more:
        await conn.execute(_ADD, _MORE.arrays([(*counted, more[counted]) for counted in sorted(more)]))
