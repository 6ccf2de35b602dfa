"""Reassigns the tasks of reps who are gone: nobody would look at them."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.domain.deliveries.delivery import assignee
from services.nurture.domain.workflow import TASK
from services.nurture.language.versions import Versions
from services.nurture.store.deliveries import deliveries as store
from services.nurture.store.deliveries.deliveries import RepsTask
from shared import log

_LOG = log.get(__name__)


async def reassign(conn: AsyncConnection, versions: Versions, reps: Collection[str]) -> None:
    """Give open tasks of reps who are not among `reps` to those who take turns now, or else to anybody."""
    orphans = await store.tasks_of_others(conn, reps)
    if not orphans:
        return
    turns = await store.take_turns(conn, {(task.workflow, task.step): 1 for task in orphans})
    given = {}
    for task in orphans:
        present = tuple(rep for rep in _assign(task, versions) if rep in reps)
        given[task.id] = assignee(present, turns[task.workflow, task.step])
        turns[task.workflow, task.step] += 1
    await store.give_tasks(conn, given)
    _LOG.warning("tasks_reassigned", tasks=len(given))


def _assign(task: RepsTask, versions: Versions) -> tuple[str, ...]:
    """The reps who take turns at this step, by the live version, else by the task's own."""
    for workflow in (versions.live.by_name.get(task.workflow), versions.known.get((task.workflow, task.version))):
        step = workflow.steps.get(task.step) if workflow is not None else None
        outlet = step.outlet() if step is not None else None
        if outlet is not None and outlet.target.channel == TASK:
            return outlet.assign
    return ()
