"""Handles updates: marks them, advances the enrolments they concern, begins new ones, in the batch's transaction.

Most updates concern none: their type starts no workflow and their contact is in none. Those cost a decode and a place
in one array.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.config import Endpoints
from services.nurture.domain.context import read_event, type_of
from services.nurture.domain.mail.consent import last_words
from services.nurture.facts import FactMaker
from services.nurture.language.versions import Versions
from services.nurture.metrics import Metrics
from services.nurture.runs.at_once import by_one_statement
from services.nurture.runs.batch import Arrival, Batch
from services.nurture.runs.merges import said, settle
from services.nurture.runs.refusals import settle_refusals
from services.nurture.runs.taking import Outcome, Taking, consents
from services.nurture.runs.writing import write
from services.nurture.store import batch as store_batch
from services.nurture.store import consents as store_consents
from services.nurture.store import contacts as store_contacts
from services.nurture.store import enrolments as store
from services.nurture.store.batch import Opened
from shared import canary, clock
from shared.errors import Permanent, Transient
from shared.events.origin import origin_of_update, sender_of
from shared.events.updates import UpdateEnvelope, decode_update
from shared.kafka.records import AtOnce, DeadLetter, Handled, Outgoing, Record, Sender

_OWN: Final = "followup."  # our own facts: they tell us nothing new
_BREATHE: Final = 50  # updates between two yields to other tasks


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
        now: Callable[[], datetime] = clock.utc_now,
    ) -> None:
        """`on_sendable` is called after a commit, with the queues that have new rows; `on_canary` likewise.

        `on_due` is called with the time of the first of new timers.

        `bulk`: the topic of imports, whose deliveries wait behind live ones. Empty: nothing is an import.
        """
        self._versions = versions
        self._endpoints = endpoints
        self._facts = facts
        self._metrics = metrics
        self._taking = Taking(versions, bulk=bulk)
        self._on_sendable = on_sendable
        self._on_due = on_due
        self._on_canary = on_canary
        self._now = now
        self._triggers = versions.live.by_trigger

    def _committed(self, outcome: Outcome) -> None:
        self._metrics.updates.inc(outcome.updates)
        for workflow, count in outcome.begun.items():
            self._metrics.enrolments.labels(workflow).inc(count)
        for (workflow, reason), count in outcome.refused.items():
            self._metrics.refusals.labels(workflow, reason).inc(count)
        self._metrics.hops.passed("enrolled", outcome.leads, self._now())
        self._metrics.canary.passed("enrolled", [each.time for each in outcome.canaries], self._now())
        if outcome.sendable is not None:
            self._on_sendable(outcome.sendable)
        if outcome.due is not None:
            self._on_due(outcome.due)
        for each in outcome.canaries:
            self._on_canary(each)

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        """Handle one batch. Raises Transient when another process interfered: the repeated batch sees it."""
        outcome = Outcome()
        dead: list[DeadLetter] = []
        decoded = self._decoded(records, dead, outcome.canaries)
        opened = await self._opened(conn, decoded)
        arrivals = self._taking.new(decoded, opened.fresh)
        outcome.updates = len(records) - len(outcome.canaries)
        if arrivals:
            try:
                await self._work_off(conn, arrivals, opened, dead, outcome)
            except asyncpg.UniqueViolationError as error:
                raise Transient("another process has just enrolled the same contact") from error
        return Handled(dead=dead, after_commit=lambda: self._committed(outcome))

    async def at_once(self, conn: AsyncConnection, records: Sequence[Record]) -> AtOnce | None:
        """The one statement that writes a few updates, where one does."""
        outcome = Outcome()
        dead: list[DeadLetter] = []
        arrivals = self._decoded(records, dead, outcome.canaries)
        if dead:
            return None
        outcome.updates = len(records) - len(outcome.canaries)
        batch = Batch(self._now())
        made = await by_one_statement(
            conn, arrivals, batch, self._taking, outcome, endpoints=self._endpoints, facts=self._facts
        )
        if made is None:
            return None
        return AtOnce(Handled(after_commit=lambda: self._committed(outcome)), *made)

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
                elif not kind.startswith(_OWN) or self._taking.matters(kind) or envelope.data.merged:
                    arrivals.append(Arrival(record, envelope, kind))
        return arrivals

    async def _opened(self, conn: AsyncConnection, arrivals: Sequence[Arrival]) -> Opened:
        """Open the batch: mark its updates, and make its contacts."""
        merged, _ = said(arrivals)
        contacts = {*self._taking.certain(arrivals), *merged, *merged.values()}
        return await store_batch.open_batch(conn, self._taking.marked(arrivals), contacts)

    async def _work_off(
        self,
        conn: AsyncConnection,
        arrivals: Sequence[Arrival],
        opened: Opened,
        dead: list[DeadLetter],
        outcome: Outcome,
    ) -> None:
        batch = Batch(self._now())
        certain = self._taking.certain(arrivals)
        if gone := certain & opened.erased:
            arrivals = [each for each in arrivals if each.contact_id not in gone]
            certain -= gone
        owner = await settle(conn, arrivals, certain, batch, self._versions, opened)
        await store_consents.keep(conn, last_words(consents(arrivals, owner)))
        await self._look_back(conn, arrivals, owner, batch, opened.made)
        unreadable: list[UUID] = []
        for number, arrival in enumerate(arrivals, 1):
            try:
                self._taking.take(batch, arrival, owner[arrival.contact_id], outcome)
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
            outcome.wrote(batch.changes, written)

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
