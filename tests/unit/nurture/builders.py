"""Values to test the rules with; each builder takes what the test cares about by keyword."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from services.nurture.domain.context import ContactUpdate, Happening
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.followup import Written
from services.nurture.domain.enrolment import Decision, Enrolment
from services.nurture.domain.entry import begin
from services.nurture.domain.workflow import Workflow
from services.nurture.language.compile import compile_workflow
from shared.events.updates import Booking, ContactView, Values

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
CONTACT = UUID("01950000-0000-7000-8000-000000000001")
_IDS = UUID("00000000-0000-5000-8000-000000000000")


def an_id(name: object) -> UUID:
    return uuid5(_IDS, str(name))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def a_contact(**changes: Any) -> ContactView:
    fields: dict[str, Any] = {
        "id": CONTACT,
        "version": 1,
        "currency": "EUR",
        "stage": "lead",
        "created": NOW,
        "email": "ada@example.com",
        "name": "Ada",
        "country": "DE",
        "time_zone": "Europe/Berlin",
        "traits": {"company": "Analytical Engines", "size": 12},
    }
    return ContactView(**fields | changes)


def an_event(event_type: str = "lead.captured", *, name: object = None, time: datetime = NOW, **data: Any) -> Happening:
    identity = {"identity": {"email": "ada@example.com"}}
    return Happening(an_id(name or (event_type, time)), event_type, time, "/sources/website", identity | data)


def an_update(
    event_type: str = "lead.captured",
    *,
    name: object = None,
    time: datetime = NOW,
    lead: int = 10_000,
    contact: ContactView | None = None,
    **data: Any,
) -> ContactUpdate:
    return ContactUpdate(
        an_event(event_type, name=name, time=time, **data),
        contact or a_contact(),
        Values(lead, 0),
        (Booking("lead", "prior", lead, "scorecard-1"),),
    )


def a_touch(*, time: datetime = NOW, name: object = None, human: bool = True, who: str = "ana") -> ContactUpdate:
    return an_update("contact.touched", time=time, name=name, human=human, who=who, channel="phone")


def a_workflow(*steps: Any, **changes: Any) -> Workflow:
    data: dict[str, Any] = {
        "workflow": "sample",
        "trigger": {"on": "lead.captured", "max_age": "60m"},
        "reentry": "once_per 30d",
        "goal": {"on": "purchase.completed"},
        "window": {"length": "60m", "stops_on": "human_touch"},
        "quiet_hours": "21:00-08:00",
        "steps": list(steps) or ["exit"],
    }
    data |= changes
    return compile_workflow({key: value for key, value in data.items() if value is not None})


def begun(workflow: Workflow, update: ContactUpdate | None = None, *, now: datetime = NOW) -> Decision:
    return begin(workflow, update or an_update(), now)


def a_run(workflow: Workflow, **changes: Any) -> Enrolment:
    return begun(workflow, an_update(**changes)).enrolment


def sent(decision: Decision) -> list[tuple[str, str]]:
    return [(delivery.channel, delivery.target) for delivery in decision.deliveries]


def a_given(**changes: Any) -> StoredDelivery:
    """A delivery as it was claimed."""
    fields: dict[str, Any] = {
        "id": an_id("delivery"),
        "enrolment_id": an_id("run"),
        "contact_id": CONTACT,
        "workflow": "sample",
        "version": "1",
        "triggered_at": NOW,
        "step": "0",
        "channel": "email",
        "target": "thanks",
        "endpoint": "email:smtp",
        "lane": "live",
        "rep": None,
        "is_first": True,
        "created_at": NOW,
        "deadline": None,
        "expires_at": None,
        "fallback": None,
        "attempts": 0,
        "tries": 0,
        "began_at": None,
        "lease_token": an_id("lease"),
        "payload": Written(b"{}"),
    }
    return StoredDelivery(**fields | changes)
