"""Works off updates: marks them, moves the runs that they concern, starts new ones, all in the batch's transaction.

Most updates concern nobody: their type starts no workflow and their contact is in none. Those cost a decode and a
place in one array.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.config import Endpoints
from services.nurture.domain.advance import advance
from services.nurture.domain.consent import Word, last_words, said
from services.nurture.domain.enrolment import Arrived, Decision, Enrolment
from services.nurture.domain.entry import Past, after_merge, begin, may_enrol
from services.nurture.domain.facts import ContactUpdate, read_update
from services.nurture.language.versions import Versions, unusable
from services.nurture.metrics import Metrics
from services.nurture.outbox.publisher import FactMaker
from services.nurture.runs.changes import Changes
from services.nurture.runs.writing import write
from services.nurture.store import consents as store_consents
from services.nurture.store import enrolments as store
from shared import clock
from shared.errors import Permanent, Transient
from shared.events.origin import origin_of_update, sender_of
from shared.events.reasons import without_values
from shared.events.updates import UpdateEnvelope, decode_update
from shared.kafka.records import DeadLetter, Handled, Outgoing, Record, Sender

_OWN: Final = "followup."  # facts of our own: they say nothing that we do not know
_TOUCH: Final = "contact.touched"
_BREATHE: Final = 50  # updates between two chances for whatever else the process has to do
_UNIQUE: Final = "23505"


class _Type(msgspec.Struct):
    type: str


_TYPE: Final = msgspec.json.Decoder(_Type)


class _Arrival(NamedTuple):
    """An update with its event's type."""

    record: Record
    envelope: UpdateEnvelope
    type: str


@dataclass(slots=True)
class _Batch:
    """The runs and histories that a batch has locked and read, as they stand after each update."""

    now: datetime
    changes: Changes = field(default_factory=Changes)
    runs: dict[UUID, dict[UUID, Enrolment]] = field(default_factory=lambda: defaultdict(dict))  # by contact
    past: dict[tuple[UUID, str], dict[UUID, datetime]] = field(default_factory=lambda: defaultdict(dict))

    def take(self, decision: Decision, touched_by: str | None = None) -> None:
        """A run that was there has moved."""
        self.changes.take(decision, touched_by=touched_by)
        self.runs[decision.enrolment.contact_id][decision.enrolment.id] = decision.enrolment

    def begin(self, decision: Decision) -> None:
        """A run begins."""
        run = decision.enrolment
        self.changes.begin(decision)
        self.runs[run.contact_id][run.id] = run
        self.past[run.contact_id, run.workflow][run.id] = run.trigger.time

    def history(self, contact_id: UUID, workflow: str) -> list[Past]:
        """The contact's runs of the workflow, as `may_enrol` wants them."""
        runs = self.runs[contact_id]
        return [
            Past(identifier, at, identifier in runs and runs[identifier].status == "active")
            for identifier, at in self.past[contact_id, workflow].items()
        ]


@dataclass(slots=True)
class _Outcome:
    """What is told to the rest of the process once the batch is durable."""

    updates: int = 0
    sendable: set[str] = field(default_factory=set)
    begun: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)


class UpdatesHandler:
    """The handler of the consumer loop."""

    def __init__(
        self,
        versions: Versions,
        endpoints: Endpoints,
        facts: FactMaker,
        metrics: Metrics,
        *,
        on_sendable: Callable[[set[str]], None],
    ) -> None:
        """`on_sendable` is called after a commit, with the queues in which something new stands."""
        self._versions = versions
        self._endpoints = endpoints
        self._facts = facts
        self._metrics = metrics
        self._on_sendable = on_sendable
        self._triggers = versions.live.by_trigger

    def _committed(self, outcome: _Outcome) -> None:
        self._metrics.updates.inc(outcome.updates)
        for workflow, count in outcome.begun.items():
            self._metrics.enrolments.labels(workflow).inc(count)
        for (workflow, reason), count in outcome.refused.items():
            self._metrics.refusals.labels(workflow, reason).inc(count)
        self._on_sendable(outcome.sendable)

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        """Do one batch. Raises Transient when another process interfered: the same batch again will see it."""
        outcome = _Outcome(updates=len(records))
        dead: list[DeadLetter] = []
        arrivals = await self._new(conn, self._decoded(records, dead))
        if arrivals:
            try:
                await self._work_off(conn, arrivals, dead, outcome)
            except IntegrityError as error:
                if getattr(error.orig, "sqlstate", None) != _UNIQUE:
                    raise
                raise Transient("another process has just begun a run for the same contact") from error
        return Handled(dead=dead, after_commit=lambda: self._committed(outcome))

    async def unpublished(
        self, _conn: AsyncConnection, _topic: str, _partition: int, _first: int, _end: int
    ) -> Sequence[Outgoing]:
        """Nothing: facts are published from a table of their own."""
        return ()

    def sender(self, record: Record) -> Sender:
        """The sender of the update's event."""
        return sender_of(origin_of_update(record.value))

    def _decoded(self, records: Sequence[Record], dead: list[DeadLetter]) -> list[_Arrival]:
        arrivals = []
        for record in records:
            try:
                envelope = decode_update(record.value)
                kind = _TYPE.decode(envelope.data.event).type
            except Permanent as error:
                dead.append(DeadLetter(record, "Permanent", str(error)))
            except msgspec.MsgspecError as error:
                dead.append(DeadLetter(record, "Permanent", f"undecodable event in an update: {without_values(error)}"))
            else:
                if not kind.startswith(_OWN) or self._matters(kind) or envelope.data.merged:
                    arrivals.append(_Arrival(record, envelope, kind))
        return arrivals

    def _matters(self, kind: str) -> bool:
        return kind in self._triggers or kind in self._versions.listened

    async def _new(self, conn: AsyncConnection, arrivals: list[_Arrival]) -> list[_Arrival]:
        """Without what was worked off before.

        Only types that move or start a run are marked: a repeat of another changes nothing, as an older version of a
        contact never replaces a newer one.
        """
        marked = {each.envelope.id for each in arrivals if self._matters(each.type)}
        fresh = await store.first_time(conn, list(marked))
        if len(fresh) == len(marked) == len(arrivals):
            return arrivals
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
        self, conn: AsyncConnection, arrivals: Sequence[_Arrival], dead: list[DeadLetter], outcome: _Outcome
    ) -> None:
        batch = _Batch(clock.utc_now())
        owner = await self._merge(conn, arrivals, batch)
        await store_consents.keep(conn, last_words(_consents(arrivals, owner)))
        await self._look_back(conn, arrivals, owner, batch)
        unreadable: list[UUID] = []
        for number, arrival in enumerate(arrivals, 1):
            contact_id = owner[arrival.envelope.data.contact.id]
            triggered = self._triggers.get(arrival.type, ())
            runs = batch.runs.get(contact_id)
            if not runs and not triggered:
                continue
            try:
                update = read_update(arrival.envelope)
            except Permanent as error:
                dead.append(DeadLetter(arrival.record, "Permanent", str(error)))
                unreadable.append(arrival.envelope.id)
                continue
            if runs:
                self._move(batch, list(runs.values()), update)
            if triggered:
                if update.contact.id != contact_id:  # merged since
                    update = replace(update, contact=msgspec.structs.replace(update.contact, id=contact_id))
                self._start(batch, update, outcome)
            if number % _BREATHE == 0:
                await asyncio.sleep(0)
        if unreadable:
            await store.unseen(conn, unreadable)  # or a redriven one would pass for known
        if batch.changes:
            written = await write(conn, batch.changes, endpoints=self._endpoints, facts=self._facts, now=batch.now)
            outcome.sendable = written.endpoints
            outcome.begun.update(batch.changes.enrolled[each].workflow for each in written.begun)

    async def _merge(self, conn: AsyncConnection, arrivals: Sequence[_Arrival], batch: _Batch) -> dict[UUID, UUID]:
        """Lock the runs that the batch may concern and join those of contacts that were merged.

        Returns for each contact id of the batch whose it is now.
        """
        contacts = {each.envelope.data.contact.id for each in arrivals}
        merged = {
            loser: each.envelope.data.contact.id
            for each in arrivals
            for loser in each.envelope.data.merged
            if loser != each.envelope.data.contact.id
        }
        before = await store.survivors(conn, contacts | merged.keys())
        owner = {each: _last(each, before | merged) for each in (*contacts, *merged)}
        owner |= {each: each for each in owner.values()}
        losers = {loser: owner[loser] for loser in merged}
        runs = await store.lock_listening(conn, owner.keys())
        await self._versions.learn(conn, runs)
        by_survivor: dict[UUID, list[Enrolment]] = defaultdict(list)
        for run in runs:
            by_survivor[owner[run.contact_id]].append(run)
        joined = set(losers.values())
        for survivor, theirs in by_survivor.items():
            if survivor in joined:
                for decision in after_merge(theirs, survivor, batch.now):
                    batch.take(decision)
            else:
                batch.runs[survivor].update((run.id, run) for run in theirs)
        if losers:
            await store.remember_merges(conn, losers)
            await store.adopt_ended(conn, losers)
            await store_consents.adopt(conn, losers)
        return owner

    async def _look_back(
        self, conn: AsyncConnection, arrivals: Sequence[_Arrival], owner: dict[UUID, UUID], batch: _Batch
    ) -> None:
        """Read the histories of those for whom a run may start."""
        starters = {owner[each.envelope.data.contact.id] for each in arrivals if each.type in self._triggers}
        if starters:
            merged = {contact_id for contact_id, into in owner.items() if into in starters}
            workflows = {workflow.name for some in self._triggers.values() for workflow in some}
            for past in await store.past_runs(conn, starters | merged, workflows):
                batch.past[owner[past.contact_id], past.workflow][past.id] = past.triggered_at

    def _move(self, batch: _Batch, runs: Iterable[Enrolment], update: ContactUpdate) -> None:
        kind = update.event.type
        for run in runs:
            if run.status != "active" and (kind != _TOUCH or not run.listens):
                continue
            workflow = self._versions.of(run)
            if workflow is None:
                if run.status == "active":
                    batch.take(unusable(run, batch.now))
                continue
            decision = advance(workflow, run, Arrived(update), batch.now)
            if decision.changed or decision.close_tasks:
                batch.take(decision, str(update.event.data.get("who") or "somebody"))

    def _start(self, batch: _Batch, update: ContactUpdate, outcome: _Outcome) -> None:
        for workflow in self._triggers[update.event.type]:
            history = batch.history(update.contact.id, workflow.name)
            refusal = may_enrol(workflow, update, history, batch.now)
            if refusal is None:
                batch.begin(begin(workflow, update, batch.now))
            else:
                outcome.refused[workflow.name, refusal] += 1


def _consents(arrivals: Iterable[_Arrival], owner: Mapping[UUID, UUID]) -> Iterator[Word]:
    for each in arrivals:
        contact = each.envelope.data.contact
        for word in each.envelope.data.consents:
            yield from said(word, contact_id=owner[contact.id], newest_address=contact.email)


def _last(contact_id: UUID, merged: dict[UUID, UUID]) -> UUID:
    """Who a contact is in the end, after all merges."""
    seen = {contact_id}
    while (into := merged.get(contact_id)) is not None and into not in seen:
        seen.add(into)
        contact_id = into
    return contact_id
