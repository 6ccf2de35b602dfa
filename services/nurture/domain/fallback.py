"""The second way, for when the first did not work in time."""

from dataclasses import replace
from datetime import datetime

from services.nurture.domain.delivery import FALLBACK_SUFFIX, NewDelivery, delivery_id
from services.nurture.domain.payload import addressed, fallback_payload


def fallback_of(delivery: NewDelivery, reason: str, now: datetime) -> NewDelivery | None:
    """The delivery to make instead of this one, which was given up; None when it names no fallback.

    It has no deadline and no fallback of its own: it is tried until the retry plan ends.
    """
    target = delivery.fallback
    if target is None:
        return None
    step = delivery.step + FALLBACK_SUFFIX
    recipient, purpose, public_source = addressed(delivery.payload)
    identifier = delivery_id(delivery.enrolment_id, step, target.channel)
    return replace(
        delivery,
        id=identifier,
        step=step,
        channel=target.channel,
        target=target.name,
        assign=(),
        created_at=now,
        deadline=None,
        expires_at=None,
        fallback=None,
        payload=fallback_payload(delivery.payload, identifier, step, target, reason=reason, now=now),
        recipient=recipient,
        purpose=purpose,
        public_source=public_source,
    )
