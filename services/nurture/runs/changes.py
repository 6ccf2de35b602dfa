"""What one transaction will write, gathered in memory: enrolments, deliveries, tasks and facts."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.nurture.channels.channel import Registry, queue_of
from services.nurture.domain.deliveries.delivery import NewDelivery, NewRow, StoredDelivery, delivery_id
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
    rows: list[NewRow] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    _by_enrolment: dict[UUID, list[NewRow]] = field(default_factory=dict)

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
            for row in self._by_enrolment.get(run.id, ()):
                if row.new.channel == TASK and row.state == "waiting":
                    row.state, row.done_by = "done", who
        self._append(decision, is_first=False)
        if decision.cancel:
            self.cancelled.add(run.id)
            for row in self._by_enrolment.get(run.id, ()):
                if row.state == "waiting":
                    row.state = "cancelled"

    def add(self, new: NewDelivery, *, is_first: bool = False) -> None:
        """Add one more delivery or task, such as a fallback."""
        self._keep(NewRow(new, is_first))

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
            self.add(fallback, is_first=given.is_first)

    def _append(self, decision: Decision, *, is_first: bool) -> None:
        for new in decision.deliveries:
            self._keep(NewRow(new, is_first and new.channel != TASK))
            is_first = is_first and new.channel == TASK

    def _keep(self, row: NewRow) -> None:
        self.rows.append(row)
        self._by_enrolment.setdefault(row.new.enrolment_id, []).append(row)

    def __bool__(self) -> bool:
        return bool(self.enrolled or self.changed or self.cancelled or self.touched or self.rows or self.facts)


def notice(task: NewRow) -> NewRow:
    """The e-mail that tells the task's rep of it."""
    new = task.new
    step = new.step + _NOTICE_SUFFIX
    told = replace(
        new,
        id=delivery_id(new.enrolment_id, step, EMAIL),
        step=step,
        channel=EMAIL,
        assign=(),
        deadline=None,
        expires_at=None,
        fallback=None,
        recipient=None,  # the rep's address is looked up when it is sent
        purpose=FOLLOW_UP,
        confirmation=None,
        public_source=None,  # it does not count towards the caps of mails to contacts
    )
    return NewRow(told, is_first=False, rep=task.rep)


def endpoints_of(rows: Iterable[NewRow], channels: Registry) -> set[str]:
    """The endpoint queues that have new rows."""
    return {queue_of(channels, row.new) for row in rows if row.new.channel != TASK and row.state == "waiting"}
