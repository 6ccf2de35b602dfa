"""Makes a delivery of a run: its id, where it goes, what it says, and when its fallback has to go."""

from datetime import datetime

from services.nurture.domain.delivery import NewDelivery, delivery_id, expiry
from services.nurture.domain.enrolment import Enrolment
from services.nurture.domain.facts import Lane
from services.nurture.domain.followup import REQUESTED, requested
from services.nurture.domain.mail.recipient import recipient_of
from services.nurture.domain.trimming import written
from services.nurture.domain.workflow import FOLLOW_UP, Target


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
) -> NewDelivery:
    """What a step of this run sends to `target`. `assign`: the reps who take such a task in turn."""
    identifier = delivery_id(run.id, step, target.channel)
    recipient = recipient_of(run.trigger, run.contact)
    followup = requested(
        identifier, run, step, target, recipient, purpose=purpose, now=now, deadline=deadline, kind=kind
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
        lane=lane,
    )
