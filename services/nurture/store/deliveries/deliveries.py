"""SQL on deliveries and tasks: reading rows, inserting by arrays, cancelling, closing.

New rows are due by the database's clock, so that the clocks of processes need not agree.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture import tables
from services.nurture.channels.channel import Registry, queue_of
from services.nurture.domain.deliveries.delivery import NewDelivery, StoredDelivery
from services.nurture.domain.deliveries.followup import Written
from services.nurture.domain.workflow import TASK, Target
from shared.db.arrays import Rows, by_place, type_of
from shared.db.named import columns, named
from shared.db.statement import Statement


class RepsTask(NamedTuple):
    """An open task of somebody."""

    id: UUID
    workflow: str
    version: str
    step: str


_TAKEN: Final[Rows[tuple[str, str, int]]] = Rows(tables.turns, by_place("workflow", "step", "taken"))
_TURNS: Final = Statement(f"""
    {_TAKEN.inserted()} ON CONFLICT (workflow, step) DO UPDATE SET taken = turns.taken + excluded.taken
    RETURNING workflow, step, taken
""")
_MADE: Final[dict[str, Callable[[NewDelivery], Any]]] = {  # the columns that deliveries and tasks share
    **{name: attrgetter(name) for name in ("id", "enrolment_id", "step", "rep", "created_at", "expires_at", "payload")},
    "deadline_at": attrgetter("deadline"),
    "fallback_channel": lambda new: new.fallback.channel if new.fallback else None,
    "fallback_target": lambda new: new.fallback.name if new.fallback else None,
}
_SENT: Final = (
    "channel", "target", "endpoint", "lane", "is_first", "recipient", "purpose", "public_source", "confirmation",
)  # fmt: skip
DELIVERIES: Final[Rows[NewDelivery]] = Rows(
    tables.deliveries,
    {
        **_MADE,
        **{name: attrgetter(name) for name in _SENT},
        "state": lambda new: "cancelled" if new.ends else "pending",
    },
)
_TASKS: Final[Rows[NewDelivery]] = Rows(
    tables.tasks,
    {
        **_MADE,
        "name": attrgetter("target"),
        "state": lambda new: new.ends or "open",
        "done_by": attrgetter("done_by"),
    },
)
MADE: Final = {
    "due_at": "statement_timestamp()",
    "finished_at": "CASE WHEN state = 'pending' THEN NULL ELSE created_at END",
}
_INSERT: Final = DELIVERIES.insert(returning="id", **MADE)
_INSERT_TASKS: Final = _TASKS.insert(
    returning="id", finished_at="CASE WHEN state = 'open' THEN NULL ELSE created_at END"
)
# A claimed delivery is only marked: it will not begin, and its holder ends it.
_WITHDRAW: Final = """
    UPDATE deliveries
    SET withdrawn = (state = 'claimed'),
        finished_at = CASE WHEN state <> 'claimed' THEN statement_timestamp() END,
        state = CASE WHEN state <> 'claimed' THEN 'cancelled' ELSE state END
    WHERE enrolment_id = ANY(CAST(:enrolments AS uuid[])) AND state IN ('pending', 'claimed', 'parked')
"""
_CANCEL: Final = Statement(_WITHDRAW)
_CANCEL_TASKS: Final = Statement("""
    UPDATE tasks SET state = 'cancelled', finished_at = statement_timestamp()
    WHERE enrolment_id = ANY(CAST(:enrolments AS uuid[])) AND state = 'open'
""")
_DONE: Final[Rows[tuple[UUID, str]]] = Rows(tables.tasks, by_place("enrolment_id", "done_by"))
_CLOSE_TASKS: Final = Statement(f"""
    UPDATE tasks AS t SET state = 'done', finished_at = statement_timestamp(), done_by = u.done_by
    FROM {_DONE.unnested} WHERE t.enrolment_id = u.enrolment_id AND t.state = 'open'
""")  # noqa: S608 - names of columns, no input
_CANCEL_NOTICES: Final = Statement(f"{_WITHDRAW} AND rep IS NOT NULL")
_TASKS_OF_OTHERS: Final = sa.text("""
    SELECT t.id, e.workflow, e.version, t.step FROM tasks AS t JOIN enrolments AS e ON e.id = t.enrolment_id
    WHERE t.state = 'open' AND t.rep <> ALL(CAST(:reps AS text[]))
    ORDER BY t.created_at, t.id FOR NO KEY UPDATE OF t SKIP LOCKED
""")
_GIVEN: Final[Rows[tuple[UUID, str | None]]] = Rows(tables.tasks, by_place("id", "rep"))
_GIVE_TASKS: Final = sa.text(f"UPDATE tasks AS t SET rep = u.rep FROM {_GIVEN.unnested} WHERE t.id = u.id")  # noqa: S608 - names of columns, no input
_OF_RUN: Final = ("contact_id", "workflow", "version", "triggered_at")
_UNSTORED: Final = ("assign", "fallback", "ends", "done_by")
_BY_NAME: Final = tuple(name for name in StoredDelivery.__struct_fields__ if name not in _UNSTORED)
_COLUMN_OF: Final = {"deadline": "deadline_at"}
_FALLBACK: Final = ("fallback_channel", "fallback_target")


def _selected(read: Callable[[str], str]) -> str:
    """Every field of a stored delivery under its own name; `read` finds those that are not the enrolment's."""
    own = [f"{read(name)} AS {name}" for name in (*_BY_NAME, *_FALLBACK) if name not in _OF_RUN]
    return ", ".join([*own, *(f"e.{name}" for name in _OF_RUN)])


def _of_task(name: str) -> str:
    """A task's expression for a delivery's field."""
    column = _COLUMN_OF.get(name, name)
    if name in _LIKE_A_DELIVERY:
        return _LIKE_A_DELIVERY[name]
    return f"t.{column}" if column in tables.tasks.c else f"CAST(NULL AS {type_of(tables.deliveries, column)})"


_LIKE_A_DELIVERY: Final = {
    "channel": f"'{TASK}'", "target": "t.name", "endpoint": "''", "lane": "'live'", "is_first": "false",
    "attempts": "0", "tries": "0",
}  # fmt: skip
COLUMNS: Final = _selected(lambda name: f"d.{_COLUMN_OF.get(name, name)}")
TASK_COLUMNS: Final = _selected(_of_task)


async def take_turns(conn: AsyncConnection, counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Add to the task counts of each (workflow, step); return the counts before."""
    more = [(*key, counts[key]) for key in sorted(counts)]  # one lock order for all processes
    rows = await _TURNS.rows(conn, _TAKEN.arrays(more))
    return {(workflow, step): taken - counts[workflow, step] for workflow, step, taken in rows}


async def tasks_of_others(conn: AsyncConnection, reps: Collection[str]) -> list[RepsTask]:
    """Lock the open tasks of reps other than these, the oldest first."""
    return [named(RepsTask, row) for row in await conn.execute(_TASKS_OF_OTHERS, {"reps": list(reps)})]


async def give_tasks(conn: AsyncConnection, given: Mapping[UUID, str | None]) -> None:
    """Assign these tasks to these reps; None: to anybody."""
    await conn.execute(_GIVE_TASKS, _GIVEN.arrays(list(given.items())))


async def insert_deliveries(conn: AsyncConnection, rows: Sequence[NewDelivery], channels: Registry) -> set[UUID]:
    """Insert deliveries, due at once; return the new ones."""
    if not rows:
        return set()
    return {identifier for (identifier,) in await _INSERT.rows(conn, DELIVERIES.arrays(placed(rows, channels)))}


async def insert_tasks(conn: AsyncConnection, rows: Sequence[NewDelivery]) -> set[UUID]:
    """Insert tasks; return the new ones."""
    if not rows:
        return set()
    return {identifier for (identifier,) in await _INSERT_TASKS.rows(conn, _TASKS.arrays(rows))}


def placed(rows: Iterable[NewDelivery], channels: Registry) -> list[NewDelivery]:
    """Deliveries as they are inserted."""
    return [_placed(row, channels) for row in rows]


def _placed(row: NewDelivery, channels: Registry) -> NewDelivery:
    """The delivery in its endpoint queue. What is about its recipient is kept only where it goes to the contact."""
    endpoint = queue_of(channels, row)
    if row.recipient and channels[row.channel].to_contact and row.rep is None:
        return replace(row, endpoint=endpoint)
    return replace(row, endpoint=endpoint, recipient=None, purpose=None, public_source=None, confirmation=None)


async def cancel(conn: AsyncConnection, enrolments: Collection[UUID]) -> None:
    """Cancel what these enrolments have not sent or done yet; attempts in flight are not repeated."""
    if enrolments:
        await _CANCEL.run(conn, {"enrolments": list(enrolments)})
        await _CANCEL_TASKS.run(conn, {"enrolments": list(enrolments)})


async def close_tasks(conn: AsyncConnection, touched: Mapping[UUID, str]) -> None:
    """Close the open tasks of these enrolments, done by whom the mapping names, and cancel their notices."""
    if touched:
        await _CLOSE_TASKS.run(conn, _DONE.arrays(list(touched.items())))
        await _CANCEL_NOTICES.run(conn, {"enrolments": list(touched)})


def delivery_of(row: sa.Row[Any] | asyncpg.Record) -> StoredDelivery:
    """The delivery in a row of COLUMNS or TASK_COLUMNS."""
    read = columns(row)
    fallback = Target(read["fallback_channel"], read["fallback_target"]) if read["fallback_channel"] else None
    computed = {"fallback": fallback, "payload": Written(read["payload"]), "assign": (), "ends": None, "done_by": None}
    return named(StoredDelivery, row, **computed)
