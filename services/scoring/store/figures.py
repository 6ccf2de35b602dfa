"""SQL for the figures of waiting work: each takes a few index steps or a small table."""

from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_UNPUBLISHED: Final = sa.text("SELECT coalesce(sum(next_offset - published), 0) FROM consumer_offsets")
_WITHOUT_RATE: Final = sa.text(
    "SELECT currency, sum(orders + estimates) FROM unconverted GROUP BY currency ORDER BY 2 DESC LIMIT 50"
)
_OPEN: Final = sa.text("""
    SELECT count(*), count(*) FILTER (WHERE touched_at IS NULL OR touched_at < open_since),
        count(*) FILTER (WHERE open_since < statement_timestamp() - interval '1 hour'),
        count(*) FILTER (WHERE open_since < statement_timestamp() - interval '1 hour'
            AND (touched_at IS NULL OR touched_at < open_since))
    FROM contacts
    WHERE open_since > statement_timestamp() - interval '24 hours' AND merged_into IS NULL
""")


class OpenLeads(NamedTuple):
    """Open leads of the last 24 hours without the last one, and how many of them nobody has touched."""

    everyone: int
    untouched: int
    came: int
    unreached: int


async def unpublished(conn: AsyncConnection) -> int:
    """Updates committed but not known to be published."""
    return int((await conn.execute(_UNPUBLISHED)).scalar_one())


async def without_rate(conn: AsyncConnection) -> dict[str, int]:
    """Amounts that wait for a rate, by currency, the 50 largest."""
    return {currency: int(amounts) for currency, amounts in await conn.execute(_WITHOUT_RATE)}


async def open_leads(conn: AsyncConnection) -> OpenLeads:
    """The open leads of the last 24 hours."""
    return OpenLeads(*(await conn.execute(_OPEN)).one())
