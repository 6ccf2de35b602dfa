"""What a batch of updates has locked and read, kept current as the updates are applied."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.nurture.domain.context import ContactUpdate, Happening
from services.nurture.domain.enrolment import Decision, Enrolment
from services.nurture.domain.entry import Past, Refusal
from services.nurture.domain.workflow import Workflow
from services.nurture.runs.changes import Changes
from services.nurture.store.contacts import REMEMBERED, Recent
from shared.events.updates import UpdateEnvelope
from shared.kafka.records import Record

_LARGEST: Final = 32_000  # largest event kept, in bytes


class Arrival(NamedTuple):
    """An update with its event's type."""

    record: Record
    envelope: UpdateEnvelope
    type: str

    @property
    def contact_id(self) -> UUID:
        """The contact that scoring resolved."""
        return self.envelope.data.contact.id


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """A lead that a workflow refused."""

    workflow: Workflow
    update: ContactUpdate
    reason: Refusal


@dataclass(slots=True)
class Batch:
    """The enrolments, histories and recent events of the contacts in the batch."""

    now: datetime
    changes: Changes = field(default_factory=Changes)
    runs: dict[UUID, dict[UUID, Enrolment]] = field(default_factory=lambda: defaultdict(dict))  # by contact
    past: dict[tuple[UUID, str], dict[UUID, datetime]] = field(default_factory=lambda: defaultdict(dict))
    recent: dict[UUID, list[Happening]] = field(default_factory=lambda: defaultdict(list))  # by contact

    refused: list[Refused] = field(default_factory=list)  # leads that no workflow enrolled
    heard: list[Recent] = field(default_factory=list)  # to be kept

    def remember(self, contact_id: UUID, event: Happening, raw: bytes) -> None:
        """Keep an event for enrolments whose trigger is yet to come, in this batch or a later one."""
        if event.time > self.now - REMEMBERED and len(raw) <= _LARGEST:
            self.recent[contact_id].append(event)
            self.heard.append(Recent(event.id, contact_id, event.type, event.time, raw))

    def take(self, decision: Decision, touched_by: str | None = None) -> None:
        """An existing enrolment has advanced."""
        self.changes.take(decision, touched_by=touched_by)
        self.runs[decision.enrolment.contact_id][decision.enrolment.id] = decision.enrolment

    def begin(self, decision: Decision) -> None:
        """An enrolment begins."""
        run = decision.enrolment
        self.changes.begin(decision)
        self.runs[run.contact_id][run.id] = run
        self.past[run.contact_id, run.workflow][run.id] = run.trigger.time

    def history(self, contact_id: UUID, workflow: str) -> list[Past]:
        """The contact's enrolments in the workflow, as `may_enrol` takes them."""
        runs = self.runs[contact_id]
        return [
            Past(identifier, at, identifier in runs and runs[identifier].status == "active")
            for identifier, at in self.past[contact_id, workflow].items()
        ]
