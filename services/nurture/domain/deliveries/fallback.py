"""The fallback of a delivery that did not succeed in time."""

from datetime import datetime

from msgspec.structs import replace

from services.nurture.domain.deliveries.delivery import FALLBACK_SUFFIX, NewDelivery, delivery_id
from services.nurture.domain.deliveries.followup import instead
from services.nurture.domain.deliveries.trimming import written
from services.nurture.domain.workflow import FOLLOW_UP


def fallback_of(delivery: NewDelivery, reason: str, now: datetime) -> NewDelivery | None:
    """The delivery to make in place of this one, which was given up; None if it has no fallback.

    It has no deadline and no fallback of its own: it is retried until the plan ends. In place of a mail that asks for
    the address to be confirmed, no other may go to that address.
    """
    target = delivery.fallback
    if target is None:
        return None
    step = delivery.step + FALLBACK_SUFFIX
    followup = delivery.payload.followup
    content = followup.data
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
        payload=written(instead(followup, identifier, step, target, reason=reason, now=now)),
        recipient=content.address,
        purpose=content.purpose or FOLLOW_UP,
        public_source=content.public_source,
        rep=None,
        confirmation="needs" if delivery.confirmation is not None else None,
    )
