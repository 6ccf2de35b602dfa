"""Makes a delivery of an enrolment: its id, where it goes, what it says, and when its fallback has to go."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from msgspec import UNSET, UnsetType

from services.nurture.domain.deliveries.delivery import NewDelivery, delivery_id, expiry
from services.nurture.domain.deliveries.followup import (
    REQUESTED,
    Addressee,
    Cause,
    Content,
    Followup,
    Person,
    Reason,
    Waits,
    Window,
)
from services.nurture.domain.deliveries.trimming import written
from services.nurture.domain.enrolment import Enrolment
from services.nurture.domain.mail.confirmation import TEMPLATE, Confirmation, asks_first
from services.nurture.domain.mail.recipient import Recipient, recipient_of
from services.nurture.domain.workflow import FOLLOW_UP, ConfirmFirst, Target
from shared.events.lanes import Lane
from shared.events.updates import ContactView
from shared.money import from_minor

_PERSON: Final = tuple(name for name in ContactView.__struct_fields__ if name in Person.__struct_fields__)


def new_delivery(
    run: Enrolment,
    step: str,
    target: Target,
    *,
    now: datetime,
    lane: Lane,
    assign: tuple[str, ...] = (),
    purpose: str = FOLLOW_UP,
    deadline: datetime | None = None,
    fallback: Target | None = None,
    kind: str = REQUESTED,
    confirm_first: ConfirmFirst = "nothing",
    to_contact: bool = False,
) -> NewDelivery:
    """The delivery of a step of this enrolment to `target`. `assign`: the reps who take such a task in turn.

    `confirm_first`: the e-mails for which the address has to be confirmed. One of those that goes `to_contact` waits,
    and the question goes in its place.
    """
    identifier = delivery_id(run.id, step, target.channel)
    recipient = recipient_of(run.trigger, run.contact)
    confirmation: Confirmation | None = None
    waits: Waits | UnsetType = UNSET
    if asks_first(confirm_first, purpose, recipient):
        confirmation = "needs"
        if to_contact:
            confirmation, waits, target = "asks", Waits(target.name, purpose), Target(target.channel, TEMPLATE)
    followup = _requested(
        identifier, run, step, target, recipient, purpose=purpose, now=now, deadline=deadline, kind=kind, waits=waits
    )
    return NewDelivery(
        id=identifier,
        enrolment_id=run.id,
        contact_id=run.contact_id,
        workflow=run.workflow,
        version=run.version,
        step=step,
        channel=target.channel,
        target=target.name,
        assign=assign,
        created_at=now,
        deadline=deadline,
        expires_at=expiry(now, deadline, target.channel, fallback),
        fallback=fallback,
        payload=written(followup),
        recipient=recipient.address,
        purpose=purpose,
        public_source=followup.data.public_source,
        confirmation=confirmation,
        lane=lane,
    )


def _requested(
    delivery_id: UUID,
    enrolment: Enrolment,
    step: str,
    target: Target,
    recipient: Recipient,
    *,
    purpose: str,
    now: datetime,
    deadline: datetime | None,
    kind: str = REQUESTED,
    waits: Waits | UnsetType = UNSET,
) -> Followup:
    """The follow-up that a step of an enrolment asks for."""
    contact, window, trigger = enrolment.contact, enrolment.window, enrolment.trigger
    return Followup(
        kind,
        now.astimezone(UTC),
        Content(
            delivery=delivery_id,
            enrolment=enrolment.id,
            workflow=enrolment.workflow,
            version=enrolment.version,
            step=step,
            channel=target.channel,
            target=target.name,
            deadline=deadline,
            purpose=purpose,
            recipient=Addressee(recipient.address, recipient.named, recipient.proven),
            contact=Person(**{name: getattr(contact, name) for name in _PERSON}, company=contact.traits.get("company")),
            lead_value=from_minor(enrolment.values.lead, contact.currency),
            customer_value=from_minor(enrolment.values.customer, contact.currency),
            reasons=[
                Reason(booking.account, booking.factor, from_minor(booking.amount, contact.currency))
                for booking in enrolment.reasons
            ],
            event=Cause(
                id=trigger.id,
                type=trigger.type,
                time=trigger.time,
                source=trigger.source,
                trust=trigger.trust,
                data={key: value for key, value in trigger.data.items() if key != "identity"},
            ),
            window=Window(window.opened_at, window.closes_at, window.stopped_at) if window is not None else None,
            waits=waits,
        ),
    )
