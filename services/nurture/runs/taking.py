"""Takes updates into a batch in memory: the enrolments of their contacts advance, others begin or are refused."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from services.nurture.domain.advance import advance, hear
from services.nurture.domain.context import ContactUpdate, read_update
from services.nurture.domain.enrolment import Arrived, Enrolment
from services.nurture.domain.entry import begin, may_enrol
from services.nurture.domain.mail.consent import Word, said
from services.nurture.language.versions import Versions
from services.nurture.runs.batch import Arrival, Batch, Refused
from services.nurture.runs.changes import Changes
from services.nurture.runs.refusals import LEAD
from services.nurture.runs.writing import Written
from shared.events.lanes import Lane
from shared.events.updates import UpdateEnvelope
from shared.kafka.records import Record

_TOUCH: Final = "contact.touched"


@dataclass(slots=True)
class Outcome:
    """What the rest of the process learns after the commit."""

    updates: int = 0
    sendable: set[str] | None = None  # None: nothing was written
    due: datetime | None = None  # when the first timer of what was written is
    begun: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    leads: list[datetime] = field(default_factory=list)  # event times of leads of the live lane that were enrolled
    canaries: list[UpdateEnvelope] = field(default_factory=list)

    def wrote(self, changes: Changes, written: Written) -> None:
        """These changes are written, as far as that says."""
        self.sendable, self.due = written.endpoints, changes.first_due()
        self.begun.update(changes.enrolled[each].workflow for each in written.begun)


class Taking:
    """Which updates matter, and what they do."""

    def __init__(self, versions: Versions, *, bulk: str) -> None:
        """`bulk`: the topic of imports. Empty: nothing is an import."""
        self._versions = versions
        self._bulk = bulk
        self._triggers = versions.live.by_trigger

    def starts(self, kind: str) -> bool:
        """Whether events of this type may begin an enrolment."""
        return kind in self._triggers

    def matters(self, kind: str) -> bool:
        """Whether events of this type may begin an enrolment, or advance one."""
        return kind in self._triggers or kind in self._versions.listened

    def certain(self, arrivals: Iterable[Arrival]) -> set[UUID]:
        """The contacts of the updates that matter."""
        return {each.contact_id for each in arrivals if self.matters(each.type)}

    def marked(self, arrivals: Iterable[Arrival]) -> set[UUID]:
        """The updates to be marked as handled.

        Only types that can advance or start an enrolment are marked: a repeat of any other changes nothing, since an
        older version of a contact never replaces a newer one.
        """
        return {each.envelope.id for each in arrivals if self.matters(each.type)}

    def new(self, arrivals: Sequence[Arrival], fresh: Collection[UUID]) -> Sequence[Arrival]:
        """The updates not handled before: `fresh`, and those that are not marked."""
        marked = self.marked(arrivals)
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

    def take(self, batch: Batch, arrival: Arrival, contact_id: UUID, outcome: Outcome) -> None:
        """Handle one update, for its contact as of now. Raises Permanent, having changed nothing, if unreadable."""
        triggered, runs = self.starts(arrival.type), batch.runs.get(contact_id)
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

    def _lane(self, record: Record) -> Lane:
        return "bulk" if record.topic == self._bulk else "live"

    def _move(self, batch: Batch, runs: Iterable[Enrolment], update: ContactUpdate) -> None:
        kind = update.event.type
        for run in runs:
            if run.status != "active" and (kind != _TOUCH or not run.listens):
                continue
            workflow = self._versions.of(run)
            decision = hear(run, update) if workflow is None else advance(workflow, run, Arrived(update), batch.now)
            if decision.changed or decision.close_tasks:
                batch.take(decision, str(update.event.data.get("who") or "somebody"))

    def _start(self, batch: Batch, update: ContactUpdate, outcome: Outcome) -> None:
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


def consents(arrivals: Iterable[Arrival], owner: Mapping[UUID, UUID]) -> Iterator[Word]:
    """The words on consent that these updates pass on, of contacts as they are now."""
    for each in arrivals:
        contact = each.envelope.data.contact
        for word in each.envelope.data.consents:
            yield from said(word, contact_id=owner[contact.id], newest_address=contact.email)
