"""SQL that deletes old rows, a bounded number at a time, so that nobody waits for it.

Two processes can do it at once: rows locked by the other are skipped.
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_OLD: Final = "statement_timestamp() - make_interval(days => :days)"
_ATTEMPTS: Final = sa.text(f"""
    DELETE FROM attempts WHERE (delivery_id, number) IN (
        SELECT delivery_id, number FROM attempts WHERE finished_at < {_OLD} LIMIT :most FOR UPDATE SKIP LOCKED
    )
""")  # noqa: S608 - no input
_SEEN: Final = sa.text(f"""
    DELETE FROM seen_updates WHERE id IN (
        SELECT id FROM seen_updates WHERE seen_at < {_OLD} LIMIT :most FOR UPDATE SKIP LOCKED
    )
""")  # noqa: S608 - no input
_COUNTS: Final = sa.text(f"""
    DELETE FROM mail_counts WHERE (day, kind, name) IN (
        SELECT day, kind, name FROM mail_counts WHERE day < CAST({_OLD} AS date) LIMIT :most FOR UPDATE SKIP LOCKED
    )
""")  # noqa: S608 - no input
_RECENT: Final = sa.text(f"""
    DELETE FROM recent_events WHERE id IN (
        SELECT id FROM recent_events WHERE happened_at < {_OLD} LIMIT :most FOR UPDATE SKIP LOCKED
    )
""")  # noqa: S608 - no input
_REFUSALS: Final = sa.text(f"""
    DELETE FROM refusals WHERE id IN (
        SELECT id FROM refusals WHERE refused_at < {_OLD} LIMIT :most FOR UPDATE SKIP LOCKED
    )
""")  # noqa: S608 - no input
# An enrolment goes with its deliveries and tasks, once none of them is pending or open.
_RUNS: Final = sa.text(f"""
    WITH old AS (
        SELECT e.id FROM enrolments AS e
        WHERE e.ended_at < {_OLD}
            AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.enrolment_id = e.id AND d.finished_at IS NULL)
            AND NOT EXISTS (SELECT FROM tasks AS t WHERE t.enrolment_id = e.id AND t.finished_at IS NULL)
        ORDER BY e.ended_at LIMIT :most FOR UPDATE SKIP LOCKED
    ), attempted AS (
        DELETE FROM attempts AS a USING deliveries AS d, old WHERE d.enrolment_id = old.id AND a.delivery_id = d.id
    ), sent AS (
        DELETE FROM deliveries AS d USING old WHERE d.enrolment_id = old.id
    ), done AS (
        DELETE FROM tasks AS t USING old WHERE t.enrolment_id = old.id
    )
    DELETE FROM enrolments AS e USING old WHERE e.id = old.id
""")  # noqa: S608 - no input

STATEMENTS: Final[Mapping[str, sa.TextClause]] = {
    "attempts": _ATTEMPTS,
    "runs": _RUNS,
    "seen_updates": _SEEN,
    "mail_counts": _COUNTS,
    "recent_events": _RECENT,
    "refusals": _REFUSALS,
}


async def drop(conn: AsyncConnection, what: str, *, older_than_days: int, most: int) -> int:
    """Drop at most so many rows of this kind; return how many there were."""
    return (await conn.execute(STATEMENTS[what], {"days": older_than_days, "most": most})).rowcount
