"""SQL of changes, for pages that watch: one row per transaction, read in an order that misses none.

The order is that of transaction ids. Transactions start in that order but end in any, so a reader stops before the
oldest one still under way: nothing can appear behind it.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

MOST: Final = 100  # contacts named in a row; for more, it only says "many"
_KEPT: Final = "1 hour"
_SETTLED: Final = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
NOTED: Final = """
    INSERT INTO changes AS c (transaction, at, contacts, queue)
    SELECT pg_current_xact_id()::text::bigint, statement_timestamp(), n.contacts, n.queue
    FROM (SELECT CAST(:changed AS uuid[]) AS contacts, CAST(:queue AS boolean) AS queue) AS n
    WHERE n.contacts IS DISTINCT FROM '{}'
    ON CONFLICT (transaction) DO UPDATE SET queue = c.queue OR excluded.queue, contacts = CASE
        WHEN c.contacts IS NULL OR excluded.contacts IS NULL THEN NULL ELSE c.contacts || excluded.contacts
    END
"""
_NOTE = sa.text(NOTED)
_REVISION = sa.text(f"""
    SELECT transaction FROM changes WHERE queue AND transaction < {_SETTLED} ORDER BY transaction DESC LIMIT 1
""")  # noqa: S608 - no input
_NEWEST = sa.text(f"SELECT {_SETTLED} - 1")
# Rows are dropped in order of time: while one that is no newer is there, so is everything after it.
_KEPT_SINCE = sa.text("SELECT EXISTS (SELECT FROM changes WHERE transaction <= :after)")
_AFTER = sa.text(f"""
    SELECT transaction, contacts, queue FROM changes WHERE transaction > :after AND transaction < {_SETTLED}
    ORDER BY transaction LIMIT :most
""")  # noqa: S608 - no input
# An id ahead of all transactions is from another server, of which this database is a restored copy.
_DROP = sa.text(f"""
    DELETE FROM changes WHERE transaction IN (
        SELECT transaction FROM changes
        WHERE at < statement_timestamp() - interval '{_KEPT}'
            OR transaction > pg_snapshot_xmax(pg_current_snapshot())::text::bigint
        ORDER BY transaction LIMIT :most
    )
""")  # noqa: S608 - no input


class Change(NamedTuple):
    """What a transaction changed. `contacts` None: many."""

    transaction: int
    contacts: Sequence[UUID] | None
    queue: bool


async def note(conn: AsyncConnection, contacts: Collection[UUID], *, queue: bool) -> None:
    """Note, in this transaction, that these contacts have changed. `queue`: and the queue with them."""
    await conn.execute(_NOTE, noted(contacts, queue=queue))


def noted(contacts: Collection[UUID], *, queue: bool) -> dict[str, Any]:
    """The values of `NOTED`, which notes nothing without a change."""
    return {"changed": sorted(contacts) if len(contacts) <= MOST else None, "queue": queue}


async def revision(conn: AsyncConnection) -> int:
    """The revision of the queue: another number after each change."""
    return int((await conn.execute(_REVISION)).scalar_one_or_none() or 0)


async def newest(conn: AsyncConnection) -> int:
    """Where a new reader starts."""
    return int((await conn.execute(_NEWEST)).scalar_one())


async def is_kept(conn: AsyncConnection, transaction: int) -> bool:
    """Whether nothing after it has been dropped yet; False also when that is unknown."""
    return bool((await conn.execute(_KEPT_SINCE, {"after": transaction})).scalar_one())


async def after(conn: AsyncConnection, transaction: int, most: int) -> list[Change]:
    """The changes since, in order."""
    rows = await conn.execute(_AFTER, {"after": transaction, "most": most})
    return [Change(row.transaction, row.contacts, row.queue) for row in rows]


async def drop(conn: AsyncConnection, most: int) -> int:
    """Drop what is older than an hour."""
    return (await conn.execute(_DROP, {"most": most})).rowcount
