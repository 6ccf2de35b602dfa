"""SQL of the read API: pages by keyset, newest first, and what a person may change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

Row = sa.RowMapping


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page continues: after this moment and id; `limit` rows."""

    limit: int
    after: tuple[datetime, UUID] | None


_ENROLMENTS: Final = """
    SELECT e.id, e.workflow, e.version, e.contact_id, e.status, e.triggered_at, e.started_at, e.ended_at, e.document,
        e.window_opened_at, e.window_closes_at, e.window_stopped_at, e.window_stopped_by, e.window_missed_at,
        e.parked_reason
    FROM enrolments AS e
"""
_DELIVERIES: Final = """
    SELECT d.id, d.enrolment_id, e.contact_id, e.workflow, d.step, d.channel, d.target, d.endpoint, d.rep, d.state,
        d.created_at, d.due_at, d.deadline_at, d.finished_at, d.attempts, d.reason
    FROM deliveries AS d JOIN enrolments AS e ON e.id = d.enrolment_id
"""
_TASKS: Final = """
    SELECT t.id, t.enrolment_id, e.contact_id, e.workflow, t.step, t.name, t.rep, t.state, t.created_at, t.deadline_at,
        t.finished_at, t.done_by, t.outcome, t.done_channel, t.note, t.parked_reason, t.payload
    FROM tasks AS t JOIN enrolments AS e ON e.id = t.enrolment_id
"""
_REFUSALS: Final = """
    SELECT r.id, r.event_id, r.contact_id, r.workflow, r.reason, r.happened_at, r.refused_at, r.told FROM refusals AS r
"""
_ATTEMPTS: Final = sa.text("""
    SELECT number, started_at, finished_at, status, outcome, reason, excerpt
    FROM attempts WHERE delivery_id = :id ORDER BY number
""")
_OPEN_WINDOW: Final = "e.window_closes_at IS NOT NULL AND e.window_stopped_at IS NULL AND e.window_missed_at IS NULL"
_WINDOWS: Final = {
    "open": _OPEN_WINDOW,
    "missed": "e.window_missed_at IS NOT NULL AND e.window_stopped_at IS NULL",
    "stopped": "e.window_stopped_at IS NOT NULL",
}
_INDEXED: Final = {"state": ("open", "failed", "expired")}
# A replay has no deadline: it is sent because a person wants it now.
_REPLAY: Final = sa.text("""
    UPDATE deliveries
    SET state = 'pending', due_at = statement_timestamp(), tries = 0, expires_at = NULL, finished_at = NULL,
        withdrawn = false, reason = NULL
    WHERE id = :id AND state IN ('parked', 'delivered', 'failed', 'expired', 'cancelled') AND attempts < 900
    RETURNING endpoint
""")
_RUN_OF_TASK: Final = sa.text("SELECT enrolment_id FROM tasks WHERE id = :id")
_DONE: Final = sa.text("""
    UPDATE tasks AS t
    SET state = 'done', finished_at = statement_timestamp(), done_by = :who, outcome = :outcome,
        done_channel = :channel, note = :note
    FROM enrolments AS e
    WHERE t.id = :id AND e.id = t.enrolment_id AND t.state IN ('open', 'expired')
    RETURNING e.contact_id, statement_timestamp() AS now
""")
_ENDPOINTS: Final = sa.text("""
    SELECT n.name, s.disabled_at, s.disabled_because, s.failing_since, s.failing_because,
        CASE WHEN s.slowed_until > statement_timestamp() THEN s.slowed_until END AS slowed_until,
        (SELECT count(*) FROM deliveries AS d WHERE d.endpoint = n.name AND d.state = 'pending') AS pending,
        (SELECT min(due_at) FROM deliveries AS d WHERE d.endpoint = n.name AND d.state = 'pending') AS next_due_at
    FROM unnest(CAST(:names AS text[])) AS n (name) LEFT JOIN endpoint_state AS s ON s.name = n.name
    ORDER BY n.name
""")


async def enrolments(conn: AsyncConnection, page: Page, *, parked: bool | None = None, **equal: Any) -> Sequence[Row]:
    """Enrolments, newest first; `equal` by column."""
    where: list[tuple[str, Mapping[str, Any]]] = [*_where("e", equal)]
    if parked is not None:
        where.append((f"e.parked_reason IS {'NOT ' if parked else ''}NULL", {}))
    return await _paged(conn, _ENROLMENTS, "e.started_at", "e.id", page, where)


async def refusals(conn: AsyncConnection, page: Page, **equal: Any) -> Sequence[Row]:
    """Refused leads, newest first; `equal` by column."""
    return await _paged(conn, _REFUSALS, "r.refused_at", "r.id", page, _where("r", equal))


async def windows(conn: AsyncConnection, page: Page, state: str, **equal: Any) -> Sequence[Row]:
    """First-hour clocks in this state: the open ones in the order in which they close, others newest first."""
    where = [(_WINDOWS[state], {}), *_where("e", equal)]
    if state == "open":
        return await _paged(conn, _ENROLMENTS, "e.window_closes_at", "e.id", page, where, newest_first=False)
    return await _paged(conn, _ENROLMENTS, "e.started_at", "e.id", page, where)


async def deliveries(
    conn: AsyncConnection, page: Page, *, contact_id: UUID | None = None, **equal: Any
) -> Sequence[Row]:
    """Deliveries, newest first."""
    where = [*_where("d", equal), *_where("e", {"contact_id": contact_id})]
    return await _paged(conn, _DELIVERIES, "d.created_at", "d.id", page, where)


async def tasks(conn: AsyncConnection, page: Page, *, contact_id: UUID | None = None, **equal: Any) -> Sequence[Row]:
    """Tasks, newest first."""
    where = [*_where("t", equal), *_where("e", {"contact_id": contact_id})]
    return await _paged(conn, _TASKS, "t.created_at", "t.id", page, where)


async def attempts(conn: AsyncConnection, delivery_id: UUID) -> Sequence[Row]:
    """The attempts of a delivery, in order."""
    return (await conn.execute(_ATTEMPTS, {"id": delivery_id})).mappings().all()


async def delivery(conn: AsyncConnection, identifier: UUID) -> Row | None:
    return (await conn.execute(sa.text(f"{_DELIVERIES} WHERE d.id = :id"), {"id": identifier})).mappings().first()


async def task(conn: AsyncConnection, identifier: UUID) -> Row | None:
    return (await conn.execute(sa.text(f"{_TASKS} WHERE t.id = :id"), {"id": identifier})).mappings().first()


async def replay(conn: AsyncConnection, delivery_id: UUID) -> str | None:
    """Send a finished delivery once more, with the same id; its endpoint queue, or None if it is not finished."""
    found: str | None = (await conn.execute(_REPLAY, {"id": delivery_id})).scalar_one_or_none()
    return found


async def run_of_task(conn: AsyncConnection, identifier: UUID) -> UUID | None:
    """The enrolment of a task; None when there is no such task."""
    found: UUID | None = (await conn.execute(_RUN_OF_TASK, {"id": identifier})).scalar_one_or_none()
    return found


async def finish_task(
    conn: AsyncConnection, identifier: UUID, *, who: str, outcome: str, channel: str, note: str | None
) -> tuple[UUID, datetime] | None:
    """Mark a task done; its contact and the time, or None if it is neither open nor expired."""
    row = (
        await conn.execute(_DONE, {"id": identifier, "who": who, "outcome": outcome, "channel": channel, "note": note})
    ).one_or_none()
    return (row.contact_id, row.now) if row is not None else None


async def endpoints(conn: AsyncConnection, names: Sequence[str]) -> Sequence[Row]:
    """The state of these endpoint queues, and how much waits in each."""
    return (await conn.execute(_ENDPOINTS, {"names": list(names)})).mappings().all()


def _where(table: str, equal: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [_equals(table, column, value) for column, value in equal.items() if value is not None]


def _equals(table: str, column: str, value: Any) -> tuple[str, dict[str, Any]]:
    if value in _INDEXED.get(column, ()):  # exactly as in the partial index, or no plan can use it
        return f"{table}.{column} = '{value}'", {}
    return f"{table}.{column} = :{column}", {column: value}


async def _paged(
    conn: AsyncConnection,
    select: str,
    at: str,
    identifier: str,
    page: Page,
    where: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    newest_first: bool = True,
) -> Sequence[Row]:
    conditions = [condition for condition, _ in where]
    values: dict[str, Any] = {"limit": page.limit}
    for _, given in where:
        values |= given
    if page.after is not None:
        conditions.append(f"({at}, {identifier}) {'<' if newest_first else '>'} (:after_at, :after_id)")
        values |= {"after_at": page.after[0], "after_id": page.after[1]}
    direction = "DESC" if newest_first else "ASC"
    statement = f"{select} WHERE {' AND '.join(conditions) or 'true'} "
    statement += f"ORDER BY {at} {direction}, {identifier} {direction} LIMIT :limit"
    return (await conn.execute(sa.text(statement), values)).mappings().all()
