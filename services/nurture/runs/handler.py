"""Handles updates: marks them, advances the enrolments they concern, begins new ones, in the batch's transaction.

Most updates concern none: their type starts no workflow and their contact is in none. Those cost a decode and a place
in one array.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.config import Endpoints
from services.nurture.domain.advance import advance, hear
from services.nurture.domain.context import ContactUpdate, read_event, read_update, type_of
from services.nurture.domain.enrolment import Arrived, Enrolment
from services.nurture.domain.entry import begin, may_enrol
from services.nurture.domain.mail.consent import Word, last_words, said
from services.nurture.facts import FactMaker
from services.nurture.language.versions import Versions
from services.nurture.metrics import Metrics
from services.nurture.runs.batch import Arrival, Batch, Refused
from services.nurture.runs.merges import said as merges_said
from services.nurture.runs.merges import settle
from services.nurture.runs.refusals import LEAD, settle_refusals
from services.nurture.runs.writing import write
from services.nurture.store import batch as store_batch
from services.nurture.store import consents as store_consents
from services.nurture.store import contacts as store_contacts
from services.nurture.store import enrolments as store
from services.nurture.store.batch import Opened
from shared import canary, clock
from shared.errors import Permanent, Transient
from shared.events.lanes import Lane
from shared.events.origin import origin_of_update, sender_of
from shared.events.updates import UpdateEnvelope, decode_update
from shared.kafka.records import DeadLetter, Handled, Outgoing, Record, Sender

_OWN: Final = "followup."  # our own facts: they tell us nothing new
_TOUCH: Final = "contact.touched"
_BREATHE: Final = 50  # updates between two yields to other tasks


@dataclass(slots=True)
class _Outcome:
    """What the rest of the process learns after the commit."""

    updates: int = 0
    sendable: set[str] | None = None  # None: nothing was written
    due: datetime | None = None  # when the first timer of what was written is
    begun: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    leads: list[datetime] = field(default_factory=list)  # event times of leads of the live lane that were enrolled
    canaries: list[UpdateEnvelope] = field(default_factory=list)


class UpdatesHandler:
    """The handler of the consumer loop."""

    def __init__(
        self,
        versions: Versions,
        endpoints: Endpoints,
        facts: FactMaker,
        metrics: Metrics,
        *,
        bulk: str = "",
        on_sendable: Callable[[set[str]], None],
        on_due: Callable[[datetime], None] = lambda _first: None,
        on_canary: Callable[[UpdateEnvelope], None] = lambda _canary: None,
    ) -> None:
        """`on_sendable` is called after a commit, with the queues that have new rows; `on_canary` likewise.

        `on_due` is called with the time of the first of new timers.

        `bulk`: the topic of imports, whose deliveries wait behind live ones. Empty: nothing is an import.
        """
        self._versions = versions
        self._endpoints = endpoints
        self._facts = facts
        self._metrics = metrics
        self._bulk = bulk
        self._on_sendable = on_sendable
        self._on_due = on_due
        self._on_canary = on_canary
        self._triggers = versions.live.by_trigger

    def _committed(self, outcome: _Outcome) -> None:
        self._metrics.updates.inc(outcome.updates)
        for workflow, count in outcome.begun.items():
            self._metrics.enrolments.labels(workflow).inc(count)
        for (workflow, reason), count in outcome.refused.items():
            self._metrics.refusals.labels(workflow, reason).inc(count)
        self._metrics.hops.passed("enrolled", outcome.leads, clock.utc_now())
        self._metrics.canary.passed("enrolled", [each.time for each in outcome.canaries], clock.utc_now())
        if outcome.sendable is not None:
            self._on_sendable(outcome.sendable)
        if outcome.due is not None:
            self._on_due(outcome.due)
        for each in outcome.canaries:
            self._on_canary(each)

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        """Handle one batch. Raises Transient when another process interfered: the repeated batch sees it."""
        outcome = _Outcome()
        dead: list[DeadLetter] = []
        decoded = self._decoded(records, dead, outcome.canaries)
        opened = await self._opened(conn, decoded)
        arrivals = self._new(decoded, opened.fresh)
        outcome.updates = len(records) - len(outcome.canaries)
        if arrivals:
            try:
                await self._work_off(conn, arrivals, opened, dead, outcome)
            except asyncpg.UniqueViolationError as error:
                raise Transient("another process has just enrolled the same contact") from error
        return Handled(dead=dead, after_commit=lambda: self._committed(outcome))

    async def unpublished(
        self, _conn: AsyncConnection, _topic: str, _partition: int, _first: int, _end: int
    ) -> Sequence[Outgoing]:
        """Nothing: facts are published from the outbox."""
        return ()

    def sender(self, record: Record) -> Sender:
        """The sender of the update's event."""
        return sender_of(origin_of_update(record.value))

    def _decoded(
        self, records: Sequence[Record], dead: list[DeadLetter], canaries: list[UpdateEnvelope]
    ) -> list[Arrival]:
        arrivals = []
        for record in records:
            try:
                envelope = decode_update(record.value)
                kind = envelope.data.event_type or type_of(envelope.data.event)
            except Permanent as error:
                dead.append(DeadLetter(record, "Permanent", str(error)))
            else:
                if envelope.type == canary.UPDATE_TYPE:
                    canaries.append(envelope)
                elif not kind.startswith(_OWN) or self._matters(kind) or envelope.data.merged:
                    arrivals.append(Arrival(record, envelope, kind))
        return arrivals

    def _lane(self, record: Record) -> Lane:
        return "bulk" if record.topic == self._bulk else "live"

    def _matters(self, kind: str) -> bool:
        return kind in self._triggers or kind in self._versions.listened

    async def _opened(self, conn: AsyncConnection, arrivals: Sequence[Arrival]) -> Opened:
        """Open the batch: mark its updates, and make its contacts.

        Only types that can advance or start an enrolment are marked: a repeat of any other changes nothing, since an
        older version of a contact never replaces a newer one.
        """
        matters = [each for each in arrivals if self._matters(each.type)]
        merged, _ = merges_said(arrivals)
        contacts = {*(each.contact_id for each in matters), *merged, *merged.values()}
        return await store_batch.open_batch(conn, {each.envelope.id for each in matters}, contacts)

    def _new(self, arrivals: list[Arrival], fresh: Collection[UUID]) -> list[Arrival]:
        """The updates not handled before: `fresh`, and those that are not marked."""
        marked = {each.envelope.id for each in arrivals if self._matters(each.type)}
        if len(fresh) == len(marked) == len(arrivals):
            return arrivals
        fresh = set(fresh)
        kept = []
        for each in arrivals:
            identifier = each.envelope.id
            if identifier not in marked:
                kept.append(each)
            elif identifier in fresh:
                fresh.discard(identifier)  # a second copy in the same batch
                kept.append(each)
        return kept

    async def _work_off(
        self,
        conn: AsyncConnection,
        arrivals: Sequence[Arrival],
        opened: Opened,
        dead: list[DeadLetter],
        outcome: _Outcome,
    ) -> None:
        batch = Batch(clock.utc_now())
        certain = {each.contact_id for each in arrivals if self._matters(each.type)}
        if gone := certain & opened.erased:
            arrivals = [each for each in arrivals if each.contact_id not in gone]
            certain -= gone
        owner = await settle(conn, arrivals, certain, batch, self._versions, opened)
        await store_consents.keep(conn, last_words(_consents(arrivals, owner)))
        await self._look_back(conn, arrivals, owner, batch, opened.made)
        unreadable: list[UUID] = []
        for number, arrival in enumerate(arrivals, 1):
            try:
                self._take(batch, arrival, owner[arrival.contact_id], outcome)
            except Permanent as error:
                dead.append(DeadLetter(arrival.record, "Permanent", str(error)))
                unreadable.append(arrival.envelope.id)
            if number % _BREATHE == 0:
                await asyncio.sleep(0)
        if unreadable:
            await store.unseen(conn, unreadable)  # or a redriven one would count as a repeat
        await store_contacts.remember(conn, batch.heard)
        await settle_refusals(conn, batch)
        if batch.changes:
            written = await write(conn, batch.changes, endpoints=self._endpoints, facts=self._facts, now=batch.now)
            outcome.sendable, outcome.due = written.endpoints, batch.changes.first_due()
            outcome.begun.update(batch.changes.enrolled[each].workflow for each in written.begun)

    async def _look_back(
        self,
        conn: AsyncConnection,
        arrivals: Sequence[Arrival],
        owner: dict[UUID, UUID],
        batch: Batch,
        made: set[UUID],
    ) -> None:
        """Read the histories and recent events of contacts that may be enrolled; those just `made` have none."""
        starters = {owner[each.contact_id] for each in arrivals if each.type in self._triggers}
        theirs = starters | {contact_id for contact_id, into in owner.items() if into in starters}
        if theirs <= made:
            return
        workflows = {workflow.name for some in self._triggers.values() for workflow in some}
        runs, events = await store_contacts.history(conn, theirs, workflows, starters)
        for past in runs:
            batch.past[owner[past.contact_id], past.workflow][past.id] = past.triggered_at
        for recent in events:
            batch.recent[recent.contact_id].append(read_event(recent.event))

    def _take(self, batch: Batch, arrival: Arrival, contact_id: UUID, outcome: _Outcome) -> None:
        """Handle one update, for its contact as of now. Raises Permanent, having changed nothing, if unreadable."""
        triggered, runs = arrival.type in self._triggers, batch.runs.get(contact_id)
        listened = arrival.type in self._versions.listened
        if not (runs or triggered or listened):
            return
        update = read_update(arrival.envelope, self._lane(arrival.record))
        if runs:
            self._move(batch, list(runs.values()), update)
        if triggered:
            if update.contact.id != contact_id:  # merged since
                update = replace(update, contact=msgspec.structs.replace(update.contact, id=contact_id))
            self._start(batch, update, outcome)
        if listened:
            batch.remember(contact_id, update.event, bytes(arrival.envelope.data.event))

    def _move(self, batch: Batch, runs: Iterable[Enrolment], update: ContactUpdate) -> None:
        kind = update.event.type
        for run in runs:
            if run.status != "active" and (kind != _TOUCH or not run.listens):
                continue
            workflow = self._versions.of(run)
            decision = hear(run, update) if workflow is None else advance(workflow, run, Arrived(update), batch.now)
            if decision.changed or decision.close_tasks:
                batch.take(decision, str(update.event.data.get("who") or "somebody"))

    def _start(self, batch: Batch, update: ContactUpdate, outcome: _Outcome) -> None:
        """Begin the enrolments that it triggers. A lead that begins none is listed with the refusals."""
        begun, refused = False, []
        for workflow in self._triggers[update.event.type]:
            history = batch.history(update.contact.id, workflow.name)
            refusal = may_enrol(workflow, update, history, batch.now)
            if refusal is None:
                earlier = batch.recent[update.contact.id]
                batch.begin(begin(workflow, update, batch.now, [replace(update, event=each) for each in earlier]))
                begun = True
            else:
                outcome.refused[workflow.name, refusal] += 1
                refused.append(Refused(workflow, update, refusal))
        if begun and update.lane == "live" and update.event.type == LEAD:
            outcome.leads.append(update.event.time)
        known = any(each.reason == "repeated" for each in refused)  # this very event began one
        if not begun and not known and update.event.type == LEAD:
            batch.refused += [
                each for each in refused if not (update.lane == "bulk" and each.reason == "late")
            ]  # imports notify nobody


def _consents(arrivals: Iterable[Arrival], owner: Mapping[UUID, UUID]) -> Iterator[Word]:
    for each in arrivals:
        contact = each.envelope.data.contact
        for word in each.envelope.data.consents:
            yield from said(word, contact_id=owner[contact.id], newest_address=contact.email)
