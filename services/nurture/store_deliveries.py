"""SQL on deliveries and tasks: inserting, claiming under a lease, and recording what came of it, by arrays.

Times that decide (due, lease, expiry) are the database's, so that the clocks of processes need not agree.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.changes import NewRow
from services.nurture.domain.delivery import Delivery, NewDelivery
from services.nurture.domain.workflow import Channel, Target

LEASE_S: Final = 30


@dataclass(frozen=True, slots=True)
class Given:
    """A stored delivery or task with what is known of its run. `version`: of the workflow."""

    id: UUID
    enrolment_id: UUID
    contact_id: UUID
    workflow: str
    version: str
    triggered_at: datetime
    step: str
    channel: Channel
    target: str
    endpoint: str
    rep: str | None
    is_first: bool
    created_at: datetime
    deadline: datetime | None
    expires_at: datetime | None
    fallback: Target | None
    attempts: int
    tries: int
    started_at: datetime | None  # of the attempt under way
    lease_token: UUID | None
    payload: bytes

    def rule(self) -> Delivery:
        """What the rules on retries need to know of it."""
        return Delivery(self.id, self.channel, self.tries, self.expires_at, self.fallback)

    def as_new(self) -> NewDelivery:
        """As it was made."""
        return NewDelivery(
            id=self.id,
            enrolment_id=self.enrolment_id,
            contact_id=self.contact_id,
            workflow=self.workflow,
            version=self.version,
            step=self.step,
            channel=self.channel,
            target=self.target,
            assign=(),
            created_at=self.created_at,
            deadline=self.deadline,
            expires_at=self.expires_at,
            fallback=self.fallback,
            payload=self.payload,
        )


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


_TURNS: Final = sa.text("""
    INSERT INTO turns AS t (workflow, step, taken)
    SELECT * FROM unnest(CAST(:workflows AS text[]), CAST(:steps AS text[]), CAST(:counts AS bigint[]))
    ON CONFLICT (workflow, step) DO UPDATE SET taken = t.taken + excluded.taken
    RETURNING workflow, step, taken
""")
_INSERT: Final = sa.text("""
    INSERT INTO deliveries (
        id, enrolment_id, step, channel, target, endpoint, rep, is_first, state, created_at, due_at, deadline_at,
        expires_at, fallback_channel, fallback_target, finished_at, payload
    )
    SELECT id, enrolment_id, step, channel, target, endpoint, rep, is_first, state, created_at, statement_timestamp(),
        deadline_at, expires_at, fallback_channel, fallback_target,
        CASE WHEN state = 'pending' THEN NULL ELSE created_at END, payload
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:enrolments AS uuid[]), CAST(:steps AS text[]), CAST(:channels AS text[]),
        CAST(:targets AS text[]), CAST(:endpoints AS text[]), CAST(:reps AS text[]), CAST(:firsts AS bool[]),
        CAST(:states AS text[]), CAST(:created AS timestamptz[]), CAST(:deadlines AS timestamptz[]),
        CAST(:expiries AS timestamptz[]), CAST(:fallback_channels AS text[]), CAST(:fallback_targets AS text[]),
        CAST(:payloads AS bytea[])
    ) AS u (
        id, enrolment_id, step, channel, target, endpoint, rep, is_first, state, created_at, deadline_at, expires_at,
        fallback_channel, fallback_target, payload
    )
    ON CONFLICT DO NOTHING RETURNING id
""")
_INSERT_TASKS: Final = sa.text("""
    INSERT INTO tasks (
        id, enrolment_id, step, name, rep, state, created_at, deadline_at, expires_at, fallback_channel,
        fallback_target, finished_at, done_by, payload
    )
    SELECT id, enrolment_id, step, name, rep, state, created_at, deadline_at, expires_at, fallback_channel,
        fallback_target, CASE WHEN state = 'open' THEN NULL ELSE created_at END, done_by, payload
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:enrolments AS uuid[]), CAST(:steps AS text[]), CAST(:targets AS text[]),
        CAST(:reps AS text[]), CAST(:states AS text[]), CAST(:created AS timestamptz[]),
        CAST(:deadlines AS timestamptz[]), CAST(:expiries AS timestamptz[]), CAST(:fallback_channels AS text[]),
        CAST(:fallback_targets AS text[]), CAST(:doers AS text[]), CAST(:payloads AS bytea[])
    ) AS u (
        id, enrolment_id, step, name, rep, state, created_at, deadline_at, expires_at, fallback_channel,
        fallback_target, done_by, payload
    )
    ON CONFLICT DO NOTHING RETURNING id
""")
_CANCEL: Final = sa.text("""
    UPDATE deliveries
    SET withdrawn = (state = 'claimed'),
        finished_at = CASE WHEN state = 'pending' THEN statement_timestamp() END,
        state = CASE WHEN state = 'pending' THEN 'cancelled' ELSE state END
    WHERE enrolment_id = ANY(CAST(:enrolments AS uuid[])) AND state IN ('pending', 'claimed')
""")
_CANCEL_TASKS: Final = sa.text("""
    UPDATE tasks SET state = 'cancelled', finished_at = statement_timestamp()
    WHERE enrolment_id = ANY(CAST(:enrolments AS uuid[])) AND state = 'open'
""")
_CLOSE_TASKS: Final = sa.text("""
    UPDATE tasks AS t SET state = 'done', finished_at = statement_timestamp(), done_by = u.who
    FROM unnest(CAST(:enrolments AS uuid[]), CAST(:whos AS text[])) AS u (enrolment_id, who)
    WHERE t.enrolment_id = u.enrolment_id AND t.state = 'open'
""")
_CANCEL_NOTICES: Final = sa.text("""
    UPDATE deliveries SET state = 'cancelled', finished_at = statement_timestamp()
    WHERE enrolment_id = ANY(CAST(:enrolments AS uuid[])) AND rep IS NOT NULL AND state = 'pending'
""")
OF_RUN: Final = "e.contact_id, e.workflow, e.version, e.triggered_at"
COLUMNS: Final = f"""
    d.id, d.enrolment_id, {OF_RUN}, d.step, d.channel, d.target, d.endpoint, d.rep, d.is_first, d.created_at,
    d.deadline_at, d.expires_at, d.fallback_channel, d.fallback_target, d.attempts, d.tries, d.claimed_at,
    d.lease_token, d.payload
"""
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


async def take_turns(conn: AsyncConnection, counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Count so many more tasks of each (workflow, step); return how many there had been before."""
    keys = sorted(counts)  # one lock order for all processes
    rows = await conn.execute(
        _TURNS,
        {
            "workflows": [workflow for workflow, _ in keys],
            "steps": [step for _, step in keys],
            "counts": [counts[key] for key in keys],
        },
    )
    return {(row.workflow, row.step): row.taken - counts[row.workflow, row.step] for row in rows}


async def insert_deliveries(conn: AsyncConnection, rows: Sequence[NewRow]) -> set[UUID]:
    """Insert deliveries, due at once; return those that were not there yet."""
    if not rows:
        return set()
    arrays = _new(rows) | {
        "channels": [row.new.channel for row in rows],
        "endpoints": [row.endpoint for row in rows],
        "firsts": [row.is_first for row in rows],
        "states": ["pending" if row.state == "waiting" else "cancelled" for row in rows],
    }
    return set((await conn.execute(_INSERT, arrays)).scalars())


async def insert_tasks(conn: AsyncConnection, rows: Sequence[NewRow]) -> set[UUID]:
    """Insert tasks; return those that were not there yet."""
    if not rows:
        return set()
    arrays = _new(rows) | {
        "states": ["open" if row.state == "waiting" else row.state for row in rows],
        "doers": [row.done_by for row in rows],
    }
    return set((await conn.execute(_INSERT_TASKS, arrays)).scalars())


def _new(rows: Sequence[NewRow]) -> dict[str, list[Any]]:
    news = [row.new for row in rows]
    return {
        "ids": [new.id for new in news],
        "enrolments": [new.enrolment_id for new in news],
        "steps": [new.step for new in news],
        "targets": [new.target for new in news],
        "reps": [row.rep for row in rows],
        "created": [new.created_at for new in news],
        "deadlines": [new.deadline for new in news],
        "expiries": [new.expires_at for new in news],
        "fallback_channels": [new.fallback.channel if new.fallback else None for new in news],
        "fallback_targets": [new.fallback.name if new.fallback else None for new in news],
        "payloads": [new.payload for new in news],
    }


async def cancel(conn: AsyncConnection, enrolments: Collection[UUID]) -> None:
    """Cancel what these runs have not sent or done yet; what is under way is not repeated."""
    if enrolments:
        await conn.execute(_CANCEL, {"enrolments": list(enrolments)})
        await conn.execute(_CANCEL_TASKS, {"enrolments": list(enrolments)})


async def close_tasks(conn: AsyncConnection, touched: Mapping[UUID, str]) -> None:
    """The open tasks of these runs are done, by whom the mapping says; nobody need be told of them any more."""
    if touched:
        await conn.execute(_CLOSE_TASKS, {"enrolments": list(touched), "whos": list(touched.values())})
        await conn.execute(_CANCEL_NOTICES, {"enrolments": list(touched)})


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


def given_of(row: "sa.Row[Any]") -> Given:
    """The delivery in a row of COLUMNS (further columns are ignored)."""
    (
        identifier, enrolment_id, contact_id, workflow, version, triggered_at, step, channel, target, endpoint, rep,
        is_first, created_at, deadline, expires_at, fallback_channel, fallback_target, attempts, tries, claimed_at,
        lease_token, payload,
    ) = tuple(row)[:22]  # fmt: skip
    fallback = Target(fallback_channel, fallback_target) if fallback_channel is not None else None
    return Given(
        identifier, enrolment_id, contact_id, workflow, version, triggered_at, step, channel, target, endpoint, rep,
        is_first, created_at, deadline, expires_at, fallback, attempts, tries, claimed_at, lease_token, payload,
    )  # fmt: skip
