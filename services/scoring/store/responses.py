"""SQL of answers to leads: sums that each batch adds to, so that touches are never counted on a request."""

from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import tables
from services.scoring.domain.responses import Bucket, Sums
from shared.db.arrays import Rows, by_parts
from shared.db.named import named

_ANSWERS: Final[Rows[tuple[Bucket, Sums]]] = Rows(tables.response_times, by_parts(Bucket, Sums))
_ADD: Final = sa.text(_ANSWERS.added(Bucket._fields))
_SINCE = sa.text("""
    SELECT source, rep, bucket, sum(answers)::bigint AS answers, sum(lost)::bigint AS lost, sum(squares) AS squares
    FROM response_times WHERE day >= :since GROUP BY source, rep, bucket ORDER BY source, rep, bucket
""")


class Row(NamedTuple):
    """Answers to leads of one source by one person, in one bucket."""

    source: str
    rep: str
    bucket: int
    sums: Sums


async def add(conn: AsyncConnection, answers: Mapping[Bucket, Sums]) -> None:
    """Add them up, in one order for all processes."""
    await conn.execute(_ADD, _ANSWERS.arrays(sorted(answers.items())))


async def since(conn: AsyncConnection, day: date) -> list[Row]:
    """All of this day and later."""
    rows = await conn.execute(_SINCE, {"since": day})
    return [named(Row, row, sums=named(Sums, row)) for row in rows]
