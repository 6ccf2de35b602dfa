"""What one transaction will write, gathered in memory: enrolments, deliveries, tasks and facts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from services.nurture.channels.channel import Registry, queue_of
from services.nurture.domain.deliveries.delivery import NewDelivery, StoredDelivery, delivery_id
from services.nurture.domain.deliveries.fallback import fallback_of
from services.nurture.domain.enrolment import Decision, Enrolment
from services.nurture.domain.workflow import EMAIL, FOLLOW_UP, TASK
from services.nurture.facts import FactMaker, Kind
from shared.db.tables.facts import Fact

_NOTICE_SUFFIX: Final = "/notice"


@dataclass(slots=True)
class Changes:
    """Decisions in order: later ones of a batch see and correct what earlier ones made."""

    enrolled: dict[UUID, Enrolment] = field(default_factory=dict)
    changed: dict[UUID, Enrolment] = field(default_factory=dict)
    cancelled: set[UUID] = field(default_factory=set)
    touched: dict[UUID, str] = field(default_factory=dict)  # by whom; that enrolment's open tasks are done
    rows: list[NewDelivery] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    _places: dict[UUID, list[int]] = field(default_factory=dict)  # in `rows`, by enrolment

    @property
    def only_begin(self) -> bool:
        """Whether enrolments begin, without a task, and that is all."""
        others = self.changed or self.facts or (self.cancelled | self.touched.keys()) - self.enrolled.keys()
        return (
            bool(self.enrolled)
            and not others
            and all(row.channel != TASK and row.enrolment_id in self.enrolled for row in self.rows)
        )

    def begin(self, decision: Decision) -> None:
        """Add an enrolment that begins."""
        self.enrolled[decision.enrolment.id] = decision.enrolment
        self._append(decision, is_first=True)

    def take(self, decision: Decision, *, touched_by: str | None = None) -> None:
        """Add a decision about an existing enrolment."""
        run = decision.enrolment
        if decision.changed:
            (self.enrolled if run.id in self.enrolled else self.changed)[run.id] = run
        if decision.close_tasks:
            who = touched_by or "somebody"
            self.touched[run.id] = who
            for place in self._waiting(run.id):
                if self.rows[place].channel == TASK:
                    self.rows[place] = replace(self.rows[place], ends="done", done_by=who)
        self._append(decision, is_first=False)
        if decision.cancel:
            self.cancelled.add(run.id)
            for place in self._waiting(run.id):
                self.rows[place] = replace(self.rows[place], ends="cancelled")

    def add(self, new: NewDelivery) -> None:
        """Add one more delivery or task, such as a fallback."""
        self._places.setdefault(new.enrolment_id, []).append(len(self.rows))
        self.rows.append(new)

    def end(
        self,
        given: StoredDelivery,
        kind: Kind,
        now: datetime,
        *,
        facts: FactMaker,
        reason: str | None,
        attempt: int = 0,
        fall_back: bool,
    ) -> None:
        """End a delivery or task: adds its fact, unless it only notified a rep of a task, and its fallback."""
        if given.rep is None or given.channel == TASK:
            self.facts.append(facts.followup(kind, given, now, attempt=attempt, reason=reason))
        fallback = fallback_of(given.as_new(), reason or "", now) if fall_back else None
        if fallback is not None:
            self.add(fallback)

    def first_due(self) -> datetime | None:
        """When the first wait or deadline of it ends."""
        waits = (run.due_at for runs in (self.enrolled, self.changed) for run in runs.values())
        deadlines = (row.expires_at for row in self.rows)
        return min((at for at in (*waits, *deadlines) if at is not None), default=None)

    def _append(self, decision: Decision, *, is_first: bool) -> None:
        for new in decision.deliveries:
            first = is_first and new.channel != TASK
            self.add(replace(new, is_first=True) if first else new)
            is_first = is_first and not first

    def _waiting(self, enrolment: UUID) -> list[int]:
        return [place for place in self._places.get(enrolment, ()) if self.rows[place].ends is None]

    def __bool__(self) -> bool:
        return bool(self.enrolled or self.changed or self.cancelled or self.touched or self.rows or self.facts)


def notice(task: NewDelivery) -> NewDelivery:
    """The e-mail that tells the task's rep of it."""
    step = task.step + _NOTICE_SUFFIX
    return replace(
        task,
        id=delivery_id(task.enrolment_id, step, EMAIL),
        step=step,
        channel=EMAIL,
        assign=(),
        deadline=None,
        expires_at=None,
        fallback=None,
        is_first=False,
        recipient=None,  # the rep's address is looked up when it is sent
        purpose=FOLLOW_UP,
        confirmation=None,
        public_source=None,  # it does not count towards the caps of mails to contacts
    )


def endpoints_of(rows: Iterable[NewDelivery], channels: Registry) -> set[str]:
    """The endpoint queues that have new rows."""
    return {queue_of(channels, row) for row in rows if row.channel != TASK and row.ends is None}
