"""An enrolment while it advances, and what a step can decide."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from services.nurture.domain.context import Context, Happening
from services.nurture.domain.deliveries.delivery import NewDelivery
from services.nurture.domain.enrolment import Enrolment, Seen, Waiting
from services.nurture.domain.workflow import Workflow
from shared.durations import zone_of


@dataclass(frozen=True, slots=True)
class Go:
    """Go to this step; None: past the last one."""

    to: str | None


@dataclass(frozen=True, slots=True)
class Stay:
    """Wait at this step until the time or the event comes."""

    waiting: Waiting


@dataclass(frozen=True, slots=True)
class End:
    """End the enrolment here."""


Move: TypeAlias = Go | Stay | End


@dataclass(slots=True)
class Moving:
    """The enrolment so far, and the deliveries made."""

    workflow: Workflow
    enrolment: Enrolment
    now: datetime
    deliveries: list[NewDelivery] = field(default_factory=list)
    cancel: bool = False
    close_tasks: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """The contact's time zone."""
        return zone_of(self.enrolment.contact.time_zone)

    def context(self, event: Happening) -> Context:
        """The context of a condition: the contact as it is now, and this event."""
        return Context(self.enrolment.contact, self.enrolment.values, event, self.now)

    def take_seen(self, step: str) -> bool:
        """Consume the first event that satisfies the step: one event satisfies one `wait_for`."""
        for index, seen in enumerate(self.enrolment.seen):
            if step in seen.steps:
                used = Seen(seen.event_id, ())  # remembered, so that a repeat does not count again
                before, after = self.enrolment.seen[:index], self.enrolment.seen[index + 1 :]
                self.enrolment = replace(self.enrolment, seen=(*before, used, *after))
                return True
        return False
