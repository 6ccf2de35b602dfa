"""SQL of answers to leads: sums that each batch adds to, so that touches are never counted on a request."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.responses import Bucket, Sums

_ADD = sa.text("""
    INSERT INTO response_times AS r (day, source, rep, bucket, answers, lost, squares)
    SELECT * FROM unnest(
        CAST(:days AS date[]), CAST(:sources AS text[]), CAST(:reps AS text[]), CAST(:buckets AS smallint[]),
        CAST(:answers AS bigint[]), CAST(:lost AS bigint[]), CAST(:squares AS float8[])
    )
    ON CONFLICT (day, source, rep, bucket) DO UPDATE SET answers = r.answers + excluded.answers,
        lost = r.lost + excluded.lost, squares = r.squares + excluded.squares
""")
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
    rows = sorted(answers.items())
    given = {
        "days": [bucket.day for bucket, _ in rows],
        "sources": [bucket.source for bucket, _ in rows],
        "reps": [bucket.rep for bucket, _ in rows],
        "buckets": [bucket.bucket for bucket, _ in rows],
        "answers": [sums.answers for _, sums in rows],
        "lost": [sums.lost for _, sums in rows],
        "squares": [sums.squares for _, sums in rows],
    }
    await conn.execute(_ADD, given)


async def since(conn: AsyncConnection, day: date) -> list[Row]:
    """All of this day and later."""
    rows = await conn.execute(_SINCE, {"since": day})
    return [Row(row.source, row.rep, row.bucket, Sums(row.answers, row.lost, row.squares)) for row in rows]
