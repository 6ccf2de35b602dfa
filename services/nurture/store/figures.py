"""SQL for the metrics of waiting work: look-ups in the partial indexes, and capped counts."""

from collections.abc import Collection
from typing import Final, NamedTuple, get_args

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.named import named
from shared.events.lanes import Lane

_CUT_OFF: Final = 10_000
_RUNS: Final = 20_000


class Queue(NamedTuple):
    """How much is due in an endpoint queue, and for how many seconds the oldest has been."""

    endpoint: str
    due: int
    oldest_s: float


_WINDOWS: Final = sa.text(f"""
    SELECT workflow, state, count(*) FROM (
        SELECT workflow, CASE
            WHEN window_stopped_at <= window_closes_at THEN 'met'
            WHEN window_stopped_at IS NOT NULL OR window_closes_at <= statement_timestamp() THEN 'missed'
            WHEN window_closes_at - statement_timestamp() < (window_closes_at - window_opened_at) / 4 THEN 'at_risk'
            ELSE 'open' END AS state
        FROM (
            SELECT * FROM enrolments WHERE started_at > statement_timestamp() - interval '24 hours'
            ORDER BY started_at DESC, id DESC LIMIT {_RUNS}
        ) AS newest
        WHERE window_closes_at IS NOT NULL
    ) AS windows GROUP BY workflow, state
""")  # noqa: S608 - a number of this module
_QUEUES: Final = sa.text(f"""
    SELECT q.name AS endpoint, due.many AS due,
        CAST(coalesce(greatest(0, extract(epoch FROM statement_timestamp() - oldest.due_at)), 0) AS float8) AS oldest_s
    FROM unnest(CAST(:endpoints AS text[])) AS q (name)
    CROSS JOIN LATERAL (
        SELECT count(*) AS many FROM (
            SELECT FROM deliveries AS d
            WHERE d.endpoint = q.name AND d.state = 'pending' AND d.lane = ANY(CAST(:lanes AS text[]))
                AND d.due_at <= statement_timestamp()
            LIMIT {_CUT_OFF}
        ) AS at_most
    ) AS due
    LEFT JOIN LATERAL (
        SELECT min(first.due_at) AS due_at FROM unnest(CAST(:lanes AS text[])) AS l (lane) CROSS JOIN LATERAL (
            SELECT due_at FROM deliveries AS d WHERE d.endpoint = q.name AND d.state = 'pending' AND d.lane = l.lane
            ORDER BY due_at, id LIMIT 1
        ) AS first
    ) AS oldest ON true
""")  # noqa: S608 - a number of this module
_TIMERS: Final = sa.text("""
    SELECT kind, greatest(0, extract(epoch FROM statement_timestamp() - due_at)) FROM (
        SELECT 'enrolments' AS kind, min(due_at) AS due_at FROM enrolments
        WHERE status = 'active' AND due_at IS NOT NULL AND parked_reason IS NULL
        UNION ALL
        SELECT 'deliveries', min(expires_at) FROM deliveries WHERE state = 'pending' AND expires_at IS NOT NULL
        UNION ALL
        SELECT 'tasks', min(expires_at) FROM tasks
        WHERE state = 'open' AND expires_at IS NOT NULL AND parked_reason IS NULL
        UNION ALL
        SELECT 'windows', min(window_closes_at) FROM enrolments
        WHERE window_closes_at IS NOT NULL AND window_stopped_at IS NULL AND window_missed_at IS NULL
    ) AS firsts
""")
_CLAIMED: Final = sa.text("SELECT count(*) FROM deliveries WHERE state = 'claimed'")
_FACTS: Final = sa.text(f"""
    SELECT count(*) FILTER (WHERE parked_reason IS NULL), count(parked_reason)
    FROM (SELECT parked_reason FROM facts LIMIT {_CUT_OFF}) AS at_most
""")  # noqa: S608 - a number of this module
_TASKS: Final = sa.text(f"""
    SELECT count(*), count(*) FILTER (WHERE deadline_at < statement_timestamp())
    FROM (SELECT deadline_at FROM tasks WHERE state = 'open' ORDER BY created_at LIMIT {_CUT_OFF}) AS at_most
""")  # noqa: S608 - a number of this module


async def windows(conn: AsyncConnection) -> dict[tuple[str, str], int]:
    """How many first-hour clocks of each workflow and state there were in the last 24 hours."""
    return {(workflow, state): count for workflow, state, count in await conn.execute(_WINDOWS)}


async def queues(conn: AsyncConnection, endpoints: Collection[str]) -> list[Queue]:
    """What is due for each of these endpoints."""
    rows = await conn.execute(_QUEUES, {"endpoints": list(endpoints), "lanes": list(get_args(Lane))})
    return [named(Queue, row) for row in rows]


async def timers(conn: AsyncConnection) -> dict[str, float]:
    """For how many seconds the oldest timer of each kind has been overdue."""
    return {kind: float(seconds or 0) for kind, seconds in await conn.execute(_TIMERS)}


async def claimed(conn: AsyncConnection) -> int:
    return int((await conn.execute(_CLAIMED)).scalar_one())


async def facts(conn: AsyncConnection) -> tuple[int, int]:
    """Facts that wait for Kafka, and facts that are parked."""
    waiting, parked = (await conn.execute(_FACTS)).one()
    return waiting, parked


async def tasks(conn: AsyncConnection) -> tuple[int, int]:
    """Open tasks, and those past their deadline."""
    everyone, overdue = (await conn.execute(_TASKS)).one()
    return everyone, overdue
