"""Leads that no workflow enrolled: listed with the reason; of a repeated one, somebody is notified."""

from collections import Counter
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.domain.deliveries.repeated import MOST_A_DAY, repeated
from services.nurture.domain.entry import enrolment_id
from services.nurture.runs.batch import Batch, Refused
from services.nurture.store import enrolments as store
from services.nurture.store import refusals as store_refusals
from services.nurture.store.refusals import Refusal

LEAD: Final = "lead.captured"
_TOLD: Final = ("running", "reentry")  # somebody asked again: notify


async def settle_refusals(conn: AsyncConnection, batch: Batch) -> None:
    """Store the refusals, and notify somebody of each repeated lead, up to a daily limit per contact."""
    refused = batch.refused
    if not refused:
        return
    told = Counter(await store_refusals.told_today(conn, {each.update.contact.id for each in refused}))
    latest = {each: last for each in refused if each.reason in _TOLD and (last := _latest(batch, each)) is not None}
    runs = await store.read(conn, set(latest.values())) | batch.changes.enrolled
    tasks = await store_refusals.open_tasks(conn, runs.keys())
    rows = []
    for each in refused:
        key = each.update.contact.id, each.workflow.name
        run = runs.get(latest[each]) if each in latest else None
        new = None
        if run is not None and told[key] < MOST_A_DAY:
            task = tasks.get(run.id)
            new = repeated(
                each.workflow,
                run,
                each.update,
                batch.now,
                task=task.target if task else None,
                rep=task.rep if task else None,
            )
        if new is not None:
            batch.changes.add(new)
            told[key] += 1
        rows.append(_row(each, told=new is not None))
    await store_refusals.insert(conn, rows)


def of_strangers(batch: Batch) -> list[Refusal] | None:
    """The refusals of people who were never enrolled before, to be stored; None if somebody may have to be told."""
    if any(each.reason in _TOLD for each in batch.refused):
        return None
    return [_row(each, told=False) for each in batch.refused]


def _row(refused: Refused, *, told: bool) -> Refusal:
    event, workflow = refused.update.event, refused.workflow.name
    identifier, contact_id = enrolment_id(workflow, event.id), refused.update.contact.id
    return Refusal(identifier, event.id, contact_id, workflow, refused.reason, event.time, told)


def _latest(batch: Batch, refused: Refused) -> UUID | None:
    """The enrolment that caused the refusal."""
    past = batch.past[refused.update.contact.id, refused.workflow.name]
    return max(past, key=lambda run: (past[run], run), default=None)
