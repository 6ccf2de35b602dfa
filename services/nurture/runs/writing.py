"""Writes decisions: one statement per table, however many there are."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.config import Endpoints
from services.nurture.domain.deliveries.delivery import NewDelivery, assignee
from services.nurture.domain.workflow import TASK
from services.nurture.facts import FactMaker
from services.nurture.runs.changes import Changes, endpoints_of, notice
from services.nurture.store import batch as store_batch
from services.nurture.store import enrolments as store
from services.nurture.store.batch import Beginnings
from services.nurture.store.deliveries import deliveries as store_deliveries
from shared.db.tables import facts as store_facts


@dataclass(frozen=True, slots=True)
class Written:
    """The result: the enrolments that began, and the endpoint queues with new rows."""

    begun: set[UUID]
    endpoints: set[str]


async def write(
    conn: AsyncConnection,
    changes: Changes,
    *,
    endpoints: Endpoints,
    facts: FactMaker,
    now: datetime,
) -> Written:
    """Write all changes, with the facts that follow from them."""
    if changes.only_begin:
        return await _begin(conn, changes, endpoints=endpoints, facts=facts, now=now)
    await store_deliveries.cancel(conn, changes.cancelled - changes.enrolled.keys())
    await store_deliveries.close_tasks(conn, {k: v for k, v in changes.touched.items() if k not in changes.enrolled})
    await store.update_enrolments(conn, changes.changed.values())
    begun = await store.insert_enrolments(conn, list(changes.enrolled.values()))
    rows = changes.rows
    if len(begun) < len(changes.enrolled):  # another process was first: send nothing of this enrolment
        lost = changes.enrolled.keys() - begun
        rows = [row for row in rows if row.enrolment_id not in lost]
    tasks = [row for row in rows if row.channel == TASK]
    deliveries = [row for row in rows if row.channel != TASK]
    if tasks:
        tasks = await assign(conn, tasks, endpoints.reps)
        made = await store_deliveries.insert_tasks(conn, tasks)
        tasks = [task for task in tasks if task.id in made]
        deliveries += [notice(task) for task in tasks if _tell(task, endpoints)]
    made = await store_deliveries.insert_deliveries(conn, deliveries, endpoints.channels)
    deliveries = [row for row in deliveries if row.id in made]
    scheduled = [
        facts.followup("followup.scheduled", row, now)
        for row in (*deliveries, *tasks)
        if row.ends is None and (row.rep is None or row.channel == TASK)
    ]
    await store_facts.insert(conn, [*scheduled, *changes.facts])
    return Written(begun, endpoints_of(deliveries, endpoints.channels))


async def _begin(
    conn: AsyncConnection, changes: Changes, *, endpoints: Endpoints, facts: FactMaker, now: datetime
) -> Written:
    """Write enrolments that begin without a task: one statement."""
    begun, made = await store_batch.begin(conn, beginnings(changes, facts=facts, now=now), endpoints.channels)
    return Written(begun, endpoints_of([row for row in changes.rows if row.id in made], endpoints.channels))


def beginnings(changes: Changes, *, facts: FactMaker, now: datetime) -> Beginnings:
    """What is to be written of changes that only begin enrolments."""
    scheduled = [
        store_batch.Scheduled(row.id, facts.followup("followup.scheduled", row, now))
        for row in changes.rows
        if row.ends is None and row.rep is None
    ]
    return Beginnings(list(changes.enrolled.values()), changes.rows, scheduled)


async def assign(conn: AsyncConnection, tasks: Sequence[NewDelivery], reps: Collection[str]) -> list[NewDelivery]:
    """Give each task to the rep whose turn it is, skipping reps of an old version who are gone."""
    present = {task.id: tuple(rep for rep in task.assign if rep in reps) for task in tasks}
    counts = Counter((task.workflow, task.step) for task in tasks if present[task.id])
    if not counts:
        return list(tasks)
    turns = await store_deliveries.take_turns(conn, counts)
    given = []
    for task in tasks:
        if present[task.id]:
            key = (task.workflow, task.step)
            given.append(replace(task, rep=assignee(present[task.id], turns[key])))
            turns[key] += 1
        else:
            given.append(task)
    return given


def _tell(task: NewDelivery, endpoints: Endpoints) -> bool:
    return task.ends is None and task.rep in endpoints.reps and endpoints.email is not None
