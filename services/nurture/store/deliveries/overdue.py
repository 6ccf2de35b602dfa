"""SQL on what is overdue (waits, deadlines of deliveries and tasks, clocks) and on what is parked."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture import tables
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.store.deliveries.deliveries import COLUMNS, TASK_COLUMNS, delivery_of
from shared.db.arrays import Rows, by_place
from shared.db.named import named
from shared.db.statement import Statement

Kind: TypeAlias = Literal["enrolments", "deliveries", "tasks", "windows"]


@dataclass(frozen=True, slots=True)
class FirstDue:
    """When the first of each kind is due, and the present time, both by the database's clock."""

    now: datetime
    enrolments: datetime | None
    deliveries: datetime | None
    tasks: datetime | None
    windows: datetime | None

    def overdue(self) -> frozenset[Kind]:
        """The kinds with something overdue."""
        return frozenset(kind for kind, at in self._each() if at is not None and at <= self.now)

    def next_in_s(self) -> float | None:
        """Seconds until something is due, 0 or less if something is; None when nothing waits."""
        return min(((at - self.now).total_seconds() for _, at in self._each() if at is not None), default=None)

    def _each(self) -> tuple[tuple[Kind, datetime | None], ...]:
        return (
            ("enrolments", self.enrolments),
            ("deliveries", self.deliveries),
            ("tasks", self.tasks),
            ("windows", self.windows),
        )


class Late(NamedTuple):
    """An expired delivery or task, with the database's clock."""

    id: UUID
    given: StoredDelivery
    now: datetime


# Each is one look-up in a partial index.
_LOOK: Final = Statement("""
    SELECT statement_timestamp() AS now,
        (SELECT min(due_at) FROM enrolments WHERE status = 'active' AND due_at IS NOT NULL AND parked_reason IS NULL)
            AS enrolments,
        (SELECT min(expires_at) FROM deliveries WHERE state = 'pending' AND expires_at IS NOT NULL) AS deliveries,
        (SELECT min(expires_at) FROM tasks
            WHERE state = 'open' AND expires_at IS NOT NULL AND parked_reason IS NULL) AS tasks,
        (SELECT min(window_closes_at) FROM enrolments
            WHERE window_closes_at IS NOT NULL AND window_stopped_at IS NULL AND window_missed_at IS NULL) AS windows
""")
_REACHED: Final = sa.text("""
    SELECT statement_timestamp() AS now, o.partition, o.next_offset - o.base AS reached
    FROM (SELECT) AS always LEFT JOIN consumer_offsets AS o ON o.topic = :topic
""")
_EXPIRED: Final = sa.text(f"""
    SELECT {COLUMNS}, statement_timestamp() AS now
    FROM deliveries AS d JOIN enrolments AS e ON e.id = d.enrolment_id
    WHERE d.state = 'pending' AND d.expires_at IS NOT NULL AND d.expires_at <= LEAST(:until, statement_timestamp())
    ORDER BY d.expires_at LIMIT :most FOR NO KEY UPDATE OF d SKIP LOCKED
""")  # noqa: S608 - see above
_EXPIRED_TASKS: Final = sa.text(f"""
    SELECT {TASK_COLUMNS}, statement_timestamp() AS now
    FROM tasks AS t JOIN enrolments AS e ON e.id = t.enrolment_id
    WHERE t.state = 'open' AND t.expires_at IS NOT NULL AND t.parked_reason IS NULL
        AND t.expires_at <= LEAST(:until, statement_timestamp())
    ORDER BY t.expires_at LIMIT :most FOR NO KEY UPDATE OF t SKIP LOCKED
""")  # noqa: S608 - see above
_REASONS: Final[Rows[tuple[UUID, str]]] = Rows(tables.deliveries, by_place("id", "reason"))
_EXPIRE: Final = sa.text(f"""
    UPDATE deliveries AS d SET state = 'expired', finished_at = statement_timestamp(), reason = u.reason
    FROM {_REASONS.unnested} WHERE d.id = u.id
""")  # noqa: S608 - names of columns, no input
_EXPIRE_TASKS: Final = sa.text("""
    UPDATE tasks SET state = 'expired', finished_at = statement_timestamp() WHERE id = ANY(CAST(:ids AS uuid[]))
""")
_PARK: Final = sa.text(f"""
    UPDATE deliveries AS d
    SET state = 'parked', reason = u.reason
    FROM {_REASONS.unnested} WHERE d.id = u.id AND d.state = 'pending'
""")  # noqa: S608 - names of columns, no input
_PARK_TASKS: Final = sa.text(f"""
    UPDATE tasks AS t SET parked_reason = u.reason
    FROM {_REASONS.unnested}
    WHERE t.id = u.id AND t.state = 'open'
""")  # noqa: S608 - names of columns, no input
_TRY_AGAIN: Final = (
    sa.text("UPDATE enrolments SET parked_reason = NULL WHERE parked_reason IS NOT NULL"),
    sa.text("UPDATE tasks SET parked_reason = NULL WHERE state = 'open' AND parked_reason IS NOT NULL"),
    sa.text("""
        UPDATE deliveries SET state = 'pending', due_at = statement_timestamp()
        WHERE state = 'parked' AND (channel <> 'email' OR attempts = 0)
    """),
)
_PARKED: Final = sa.text("""
    SELECT
        (SELECT count(*) FROM enrolments WHERE parked_reason IS NOT NULL) AS enrolments,
        (SELECT count(*) FROM deliveries WHERE state = 'parked') AS deliveries,
        (SELECT count(*) FROM tasks WHERE state = 'open' AND parked_reason IS NOT NULL) AS tasks
""")


async def first_due(conn: AsyncConnection) -> FirstDue:
    """When the first of each kind is due."""
    (row,) = await _LOOK.rows(conn, {})
    return named(FirstDue, row)


async def reached(conn: AsyncConnection, topic: str) -> tuple[datetime, dict[int, int]]:
    """The database's clock, and the next offset (Kafka's) of each partition of the topic."""
    rows = (await conn.execute(_REACHED, {"topic": topic})).all()
    return rows[0].now, {row.partition: row.reached for row in rows if row.partition is not None}


async def expired(conn: AsyncConnection, until: datetime, *, most: int) -> list[Late]:
    """Lock pending deliveries that had expired at `until`, each with the database's clock."""
    rows = await conn.execute(_EXPIRED, {"until": until, "most": most})
    return [named(Late, row, given=delivery_of(row)) for row in rows]


async def expired_tasks(conn: AsyncConnection, until: datetime, *, most: int) -> list[Late]:
    """Lock open tasks that had expired at `until`, each with the database's clock."""
    rows = await conn.execute(_EXPIRED_TASKS, {"until": until, "most": most})
    return [named(Late, row, given=delivery_of(row)) for row in rows]


async def park_deliveries(conn: AsyncConnection, reasons: Mapping[UUID, str]) -> None:
    """Park locked pending deliveries."""
    if reasons:
        await conn.execute(_PARK, _REASONS.arrays(list(reasons.items())))


async def park_tasks(conn: AsyncConnection, reasons: Mapping[UUID, str]) -> None:
    """Park the deadlines of locked tasks; the tasks stay open."""
    if reasons:
        await conn.execute(_PARK_TASKS, _REASONS.arrays(list(reasons.items())))


async def try_again(conn: AsyncConnection) -> int:
    """Unpark everything, as a restart may have fixed it; return how many. A mail that may have gone stays."""
    return sum([(await conn.execute(statement)).rowcount for statement in _TRY_AGAIN])


async def parked(conn: AsyncConnection) -> dict[str, int]:
    """How many of each kind are parked."""
    return dict((await conn.execute(_PARKED)).mappings().one())


async def expire(conn: AsyncConnection, reasons: Mapping[UUID, str]) -> None:
    """End locked deliveries as expired."""
    if reasons:
        await conn.execute(_EXPIRE, _REASONS.arrays(list(reasons.items())))


async def expire_tasks(conn: AsyncConnection, ids: Collection[UUID]) -> None:
    """End locked tasks as expired."""
    if ids:
        await conn.execute(_EXPIRE_TASKS, {"ids": list(ids)})
