"""SQL on deliveries and tasks: how a row reads, inserting by arrays, cancelling, closing.

What is new is due by the database's clock, so that the clocks of processes need not agree.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.channels.channel import Registry
from services.nurture.domain.delivery import Given
from services.nurture.domain.workflow import Target
from services.nurture.runs.changes import NewRow


class RepsTask(NamedTuple):
    """An open task of somebody."""

    id: UUID
    workflow: str
    version: str
    step: str


_TURNS: Final = sa.text("""
    INSERT INTO turns AS t (workflow, step, taken)
    SELECT * FROM unnest(CAST(:workflows AS text[]), CAST(:steps AS text[]), CAST(:counts AS bigint[]))
    ON CONFLICT (workflow, step) DO UPDATE SET taken = t.taken + excluded.taken
    RETURNING workflow, step, taken
""")
_INSERT: Final = sa.text("""
    INSERT INTO deliveries (
        id, enrolment_id, step, channel, target, endpoint, lane, rep, is_first, state, created_at, due_at,
        deadline_at, expires_at, fallback_channel, fallback_target, finished_at, payload, recipient, purpose,
        public_source
    )
    SELECT id, enrolment_id, step, channel, target, endpoint, lane, rep, is_first, state, created_at,
        statement_timestamp(), deadline_at, expires_at, fallback_channel, fallback_target,
        CASE WHEN state = 'pending' THEN NULL ELSE created_at END, payload, recipient, purpose, public_source
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:enrolments AS uuid[]), CAST(:steps AS text[]), CAST(:channels AS text[]),
        CAST(:targets AS text[]), CAST(:endpoints AS text[]), CAST(:lanes AS text[]), CAST(:reps AS text[]),
        CAST(:firsts AS bool[]), CAST(:states AS text[]), CAST(:created AS timestamptz[]),
        CAST(:deadlines AS timestamptz[]), CAST(:expiries AS timestamptz[]), CAST(:fallback_channels AS text[]),
        CAST(:fallback_targets AS text[]), CAST(:payloads AS bytea[]), CAST(:recipients AS text[]),
        CAST(:purposes AS text[]), CAST(:public_sources AS text[])
    ) AS u (
        id, enrolment_id, step, channel, target, endpoint, lane, rep, is_first, state, created_at, deadline_at,
        expires_at, fallback_channel, fallback_target, payload, recipient, purpose, public_source
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
# What is claimed is marked: it is not begun any more, and whoever holds it ends it.
_WITHDRAW: Final = """
    UPDATE deliveries
    SET withdrawn = (state = 'claimed'),
        finished_at = CASE WHEN state <> 'claimed' THEN statement_timestamp() END,
        state = CASE WHEN state <> 'claimed' THEN 'cancelled' ELSE state END
    WHERE enrolment_id = ANY(CAST(:enrolments AS uuid[])) AND state IN ('pending', 'claimed', 'parked')
"""
_CANCEL: Final = sa.text(_WITHDRAW)
_CANCEL_TASKS: Final = sa.text("""
    UPDATE tasks SET state = 'cancelled', finished_at = statement_timestamp()
    WHERE enrolment_id = ANY(CAST(:enrolments AS uuid[])) AND state = 'open'
""")
_CLOSE_TASKS: Final = sa.text("""
    UPDATE tasks AS t SET state = 'done', finished_at = statement_timestamp(), done_by = u.who
    FROM unnest(CAST(:enrolments AS uuid[]), CAST(:whos AS text[])) AS u (enrolment_id, who)
    WHERE t.enrolment_id = u.enrolment_id AND t.state = 'open'
""")
_CANCEL_NOTICES: Final = sa.text(f"{_WITHDRAW} AND rep IS NOT NULL")
_TASKS_OF_OTHERS: Final = sa.text("""
    SELECT t.id, e.workflow, e.version, t.step FROM tasks AS t JOIN enrolments AS e ON e.id = t.enrolment_id
    WHERE t.state = 'open' AND t.rep <> ALL(CAST(:reps AS text[]))
    ORDER BY t.created_at, t.id FOR NO KEY UPDATE OF t SKIP LOCKED
""")
_GIVE_TASKS: Final = sa.text("""
    UPDATE tasks AS t SET rep = u.rep
    FROM unnest(CAST(:ids AS uuid[]), CAST(:reps AS text[])) AS u (id, rep) WHERE t.id = u.id
""")
OF_RUN: Final = "e.contact_id, e.workflow, e.version, e.triggered_at"
COLUMNS: Final = f"""
    d.id, d.enrolment_id, {OF_RUN}, d.step, d.channel, d.target, d.endpoint, d.lane, d.rep, d.is_first, d.created_at,
    d.deadline_at AS deadline, d.expires_at, d.fallback_channel, d.fallback_target, d.attempts, d.tries, d.began_at,
    d.lease_token, d.payload, d.recipient, d.purpose, d.public_source
"""
_BY_NAME: Final = tuple(each.name for each in fields(Given) if each.name != "fallback")


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


async def tasks_of_others(conn: AsyncConnection, reps: Collection[str]) -> list[RepsTask]:
    """Lock the open tasks of reps other than these, the oldest first."""
    return [RepsTask(*row) for row in await conn.execute(_TASKS_OF_OTHERS, {"reps": list(reps)})]


async def give_tasks(conn: AsyncConnection, given: Mapping[UUID, str | None]) -> None:
    """These tasks are these reps'; None: anybody's."""
    await conn.execute(_GIVE_TASKS, {"ids": list(given), "reps": list(given.values())})


async def insert_deliveries(conn: AsyncConnection, rows: Sequence[NewRow], channels: Registry) -> set[UUID]:
    """Insert deliveries, due at once; return those that were not there yet."""
    if not rows:
        return set()
    recipients = [row.recipient(channels) for row in rows]
    arrays = _new(rows) | {
        "channels": [row.new.channel for row in rows],
        "endpoints": [row.endpoint(channels) for row in rows],
        "lanes": [row.new.lane for row in rows],
        "firsts": [row.is_first for row in rows],
        "states": ["pending" if row.state == "waiting" else "cancelled" for row in rows],
        "recipients": recipients,
        "purposes": [row.new.purpose if to else None for row, to in zip(rows, recipients, strict=True)],
        "public_sources": [row.new.public_source if to else None for row, to in zip(rows, recipients, strict=True)],
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


def given_of(row: "sa.Row[Any]") -> Given:
    """The delivery in a row that has COLUMNS."""
    read = row._mapping  # noqa: SLF001 - public, whatever it looks like
    fallback = Target(read["fallback_channel"], read["fallback_target"]) if read["fallback_channel"] else None
    return Given(**{name: read[name] for name in _BY_NAME}, fallback=fallback)
