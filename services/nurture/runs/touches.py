"""A person did a task: its enrolment learns of it in the same transaction, not by way of two topics.

The fact is published all the same, for scoring and the contact's other enrolments; when it comes back, this enrolment
knows it already.
"""

from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.config import Endpoints
from services.nurture.domain.advance import advance, hear
from services.nurture.domain.context import ContactUpdate, read_event
from services.nurture.domain.enrolment import Arrived
from services.nurture.facts import FactMaker
from services.nurture.language.versions import Versions
from services.nurture.runs.changes import Changes
from services.nurture.runs.writing import write
from services.nurture.store import enrolments as store
from services.nurture.store import lists as store_lists
from shared.events.types import Touch


async def finish_task(
    conn: AsyncConnection,
    task_id: UUID,
    *,
    who: str,
    outcome: Touch,
    channel: str,
    note: str | None,
    versions: Versions,
    endpoints: Endpoints,
    facts: FactMaker,
) -> set[str]:
    """Mark the task done and advance its enrolment; returns the endpoint queues with new rows. No-op if it was done."""
    enrolment_id = await store_lists.run_of_task(conn, task_id)
    if enrolment_id is None:
        return set()
    try:  # the enrolment before the task: one lock order for all
        run = await store.lock_one(conn, enrolment_id)
    except msgspec.MsgspecError:
        run = None
    finished = await store_lists.finish_task(conn, task_id, who=who, outcome=outcome, channel=channel, note=note)
    if finished is None:
        return set()
    contact_id, now = finished
    fact = facts.touched(contact_id, enrolment_id, now, who=who, channel=channel, outcome=outcome, note=note)
    changes = Changes(facts=[fact])
    if run is not None:
        await versions.learn(conn, [run])
        workflow = versions.of(run)
        update = ContactUpdate(read_event(fact.value), run.contact, run.values)
        decision = hear(run, update) if workflow is None else advance(workflow, run, Arrived(update), now)
        changes.take(decision, touched_by=who)
    written = await write(conn, changes, endpoints=endpoints, facts=facts, now=now)
    return written.endpoints
