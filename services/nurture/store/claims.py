"""SQL on the work of the deliverer: finding what is due, claiming it under a lease, recording what came of it.

Times that decide (due, lease) are the database's, so that the clocks of processes need not agree.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.store.deliveries import COLUMNS, Given, given_of

LEASE_S: Final = 30


@dataclass(frozen=True, slots=True)
class Record:
    """What came of one attempt. `state` pending: again after `wait_s` seconds."""

    given: Given
    finished_at: datetime
    state: str
    outcome: str
    wait_s: float
    status: int | None
    reason: str | None
    excerpt: str | None


_WAITING: Final = sa.text("""
    SELECT q.name FROM unnest(CAST(:endpoints AS text[])) AS q (name)
    CROSS JOIN LATERAL (
        SELECT due_at FROM deliveries WHERE endpoint = q.name AND state = 'pending' ORDER BY due_at, id LIMIT 1
    ) AS first
    WHERE first.due_at <= statement_timestamp()
""")
_STRANGE: Final = sa.text("""
    SELECT DISTINCT endpoint FROM deliveries
    WHERE state = 'pending' AND due_at <= statement_timestamp() AND endpoint <> ALL(CAST(:endpoints AS text[]))
""")
_CLAIM: Final = sa.text(f"""
    WITH due AS (
        SELECT id, enrolment_id FROM deliveries
        WHERE endpoint = :endpoint AND state = 'pending' AND due_at <= statement_timestamp()
            AND NOT EXISTS (
                SELECT FROM endpoint_state AS s
                WHERE s.name = :endpoint AND (s.disabled_at IS NOT NULL OR s.slowed_until > statement_timestamp())
            )
        ORDER BY due_at, id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE deliveries AS d
    SET state = 'claimed', claimed_at = statement_timestamp(), lease_token = :token, leased_by = :instance,
        lease_until = statement_timestamp() + make_interval(secs => {LEASE_S}),
        attempts = d.attempts + 1, tries = d.tries + 1
    FROM due JOIN enrolments AS e ON e.id = due.enrolment_id
    WHERE d.id = due.id
    RETURNING {COLUMNS}
""")  # noqa: S608 - column names of this module, no input
_RELEASE: Final = sa.text("""
    UPDATE deliveries
    SET state = 'pending', attempts = attempts - 1, tries = tries - 1, lease_until = NULL, lease_token = NULL,
        leased_by = NULL
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'claimed' AND lease_token = :token
""")
_WITHDRAWN: Final = sa.text("""
    SELECT d.id, d.withdrawn FROM deliveries AS d
    JOIN unnest(CAST(:ids AS uuid[]), CAST(:tokens AS uuid[])) AS u (id, token) ON d.id = u.id
    WHERE d.state = 'claimed' AND d.lease_token = u.token
    ORDER BY d.id FOR NO KEY UPDATE OF d
""")
# The token fences: whoever let its lease expire changes nothing any more.
_RECORD: Final = sa.text("""
    WITH recorded AS (
        UPDATE deliveries AS d
        SET state = u.state, reason = u.reason, lease_until = NULL, lease_token = NULL, leased_by = NULL,
            due_at = CASE WHEN u.state = 'pending' THEN statement_timestamp() + make_interval(secs => u.wait_s)
                          ELSE d.due_at END,
            finished_at = CASE WHEN u.state = 'pending' THEN NULL ELSE statement_timestamp() END
        FROM unnest(
            CAST(:ids AS uuid[]), CAST(:tokens AS uuid[]), CAST(:states AS text[]), CAST(:waits AS float8[]),
            CAST(:reasons AS text[])
        ) AS u (id, token, state, wait_s, reason)
        WHERE d.id = u.id AND d.state = 'claimed' AND d.lease_token = u.token
        RETURNING d.id
    )
    INSERT INTO attempts (delivery_id, number, started_at, finished_at, status, outcome, reason, excerpt)
    SELECT u.id, u.number, u.started_at, u.finished_at, u.status, u.outcome, u.reason, u.excerpt
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:numbers AS int[]), CAST(:starts AS timestamptz[]),
        CAST(:finishes AS timestamptz[]), CAST(:statuses AS int[]), CAST(:outcomes AS text[]),
        CAST(:reasons AS text[]), CAST(:excerpts AS text[])
    ) AS u (id, number, started_at, finished_at, status, outcome, reason, excerpt)
    JOIN recorded AS r ON r.id = u.id
    RETURNING delivery_id
""")


async def waiting_endpoints(conn: AsyncConnection, endpoints: Collection[str]) -> list[str]:
    """Of these queues, those in which something is due."""
    return list((await conn.execute(_WAITING, {"endpoints": list(endpoints)})).scalars())


async def strange_endpoints(conn: AsyncConnection, endpoints: Collection[str]) -> list[str]:
    """Queues with something due that are not among these: the configuration no longer names them."""
    return list((await conn.execute(_STRANGE, {"endpoints": list(endpoints)})).scalars())


async def claim(conn: AsyncConnection, endpoint: str, *, most: int, token: UUID, instance: str) -> list[Given]:
    """Claim the deliveries of this queue that have been due longest. None while it is disabled or slowed."""
    rows = await conn.execute(_CLAIM, {"endpoint": endpoint, "most": most, "token": token, "instance": instance})
    return sorted((given_of(row) for row in rows), key=lambda given: given.created_at)


async def release(conn: AsyncConnection, ids: Collection[UUID], token: UUID) -> None:
    """Put back what was claimed and not tried."""
    await conn.execute(_RELEASE, {"ids": list(ids), "token": token})


async def withdrawn(conn: AsyncConnection, givens: Sequence[Given]) -> dict[UUID, bool]:
    """Lock those of these deliveries that are still ours; whether each was cancelled while under way."""
    arrays = {"ids": [given.id for given in givens], "tokens": [given.lease_token for given in givens]}
    return {row.id: row.withdrawn for row in await conn.execute(_WITHDRAWN, arrays)}


async def record(conn: AsyncConnection, records: Sequence[Record]) -> set[UUID]:
    """Write what came of attempts; return the deliveries that were still ours to write."""
    rows = await conn.execute(
        _RECORD,
        {
            "ids": [each.given.id for each in records],
            "tokens": [each.given.lease_token for each in records],
            "states": [each.state for each in records],
            "waits": [each.wait_s for each in records],
            "reasons": [each.reason for each in records],
            "numbers": [each.given.attempts for each in records],
            "starts": [each.given.started_at for each in records],
            "finishes": [max(each.finished_at, each.given.started_at or each.finished_at) for each in records],
            "statuses": [each.status for each in records],
            "outcomes": [each.outcome for each in records],
            "excerpts": [each.excerpt for each in records],
        },
    )
    return set(rows.scalars())
