"""SQL on refused leads: the reason, and whether somebody was notified all the same."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture import tables
from services.nurture.domain.workflow import TASK, Target
from shared.db.arrays import Rows, by_name


class Refusal(NamedTuple):
    """A lead that a workflow refused. `id`: that of the enrolment it would have started."""

    id: UUID
    event_id: UUID
    contact_id: UUID
    workflow: str
    reason: str
    happened_at: datetime
    told: bool


class OpenTask(NamedTuple):
    """An open task of an enrolment."""

    target: Target
    rep: str | None


REFUSALS: Final[Rows[Refusal]] = Rows(tables.refusals, by_name(Refusal))
_INSERT: Final = sa.text(f"{REFUSALS.inserted()} ON CONFLICT DO NOTHING")
_TOLD: Final = sa.text("""
    SELECT contact_id, workflow, count(*) AS told FROM refusals
    WHERE contact_id = ANY(CAST(:contacts AS uuid[])) AND told
        AND refused_at > statement_timestamp() - interval '1 day'
    GROUP BY contact_id, workflow
""")
_OPEN_TASKS: Final = sa.text("""
    SELECT DISTINCT ON (enrolment_id) enrolment_id, name, rep FROM tasks
    WHERE enrolment_id = ANY(CAST(:runs AS uuid[])) AND state = 'open' ORDER BY enrolment_id, created_at DESC
""")


async def insert(conn: AsyncConnection, refusals: Sequence[Refusal]) -> None:
    if refusals:
        await conn.execute(_INSERT, REFUSALS.arrays(refusals))


async def told_today(conn: AsyncConnection, contacts: Collection[UUID]) -> dict[tuple[UUID, str], int]:
    """How many notifications of repeated leads of these contacts there were, by workflow, in the last 24 hours."""
    rows = await conn.execute(_TOLD, {"contacts": list(contacts)})
    return {(row.contact_id, row.workflow): row.told for row in rows}


async def open_tasks(conn: AsyncConnection, runs: Collection[UUID]) -> Mapping[UUID, OpenTask]:
    """The newest open task of each of these enrolments."""
    rows = await conn.execute(_OPEN_TASKS, {"runs": list(runs)})
    return {row.enrolment_id: OpenTask(Target(TASK, row.name), row.rep) for row in rows}
