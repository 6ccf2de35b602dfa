"""Facts of nurture: events of its own, in the outbox (see shared/kafka/outbox.py).

That a person got in touch, or that somebody answered a mail, is urgent: it goes at once, in the live lane. The outcome
of a delivery is history: it is gathered, and goes behind the leads, in the bulk lane.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

from services.nurture.domain.deliveries.delivery import NewDelivery
from shared import clock
from shared.db.tables.facts import Fact
from shared.events.identity import Identity
from shared.events.lanes import Lane
from shared.events.types import ConsentChanged, ContactTouched, EngagementRecorded, Followup, Touch
from shared.kafka.outbox import fact_about

SOURCE: Final = "/nurture"

Kind: TypeAlias = Literal["followup.scheduled", "followup.sent", "followup.failed", "followup.expired"]


@dataclass(frozen=True, slots=True)
class FactMaker:
    """Makes facts; `key_secret` is that of every partition key."""

    key_secret: bytes

    def followup(
        self,
        kind: Kind,
        about: NewDelivery,
        now: datetime,
        *,
        attempt: int = 0,
        reason: str | None = None,
    ) -> Fact:
        """What happened to one delivery or task."""
        data = Followup(
            identity=Identity(contact_id=about.contact_id),
            enrolment=about.enrolment_id,
            workflow=about.workflow,
            step=about.step,
            channel=about.channel,
            target=about.target,
            delivery=about.id,
            attempt=attempt,
            reason=reason,
        )
        return self._fact(kind, about.contact_id, data, now, "bulk")

    def touched(
        self,
        contact_id: UUID,
        enrolment_id: UUID,
        now: datetime,
        *,
        who: str,
        channel: str,
        outcome: Touch,
        note: str | None,
    ) -> Fact:
        """A person of ours got in touch with the contact, or tried."""
        data = ContactTouched(
            identity=Identity(contact_id=contact_id),
            who=who,
            channel=channel,
            outcome=outcome,
            human=True,
            enrolment=enrolment_id,
            note=note,
        )
        return self._fact("contact.touched", contact_id, data, now, "live")

    def clicked(self, contact_id: UUID, address: str, now: datetime, *, delivery: UUID, workflow: str) -> Fact:
        """Somebody confirmed this address by a click in a mail: from then on it is proven."""
        data = EngagementRecorded(
            identity=Identity(contact_id=contact_id, email=address),
            kind="email_clicked",
            what="confirmation",
            properties={"delivery": str(delivery), "workflow": workflow},
        )
        return self._fact("engagement.recorded", contact_id, data, now, "live")

    def consented(
        self,
        contact_id: UUID,
        address: str | None,
        now: datetime,
        *,
        given: bool,
        purpose: str | None,
        proof: str,
        wording: str | None = None,
    ) -> Fact:
        """Somebody subscribed or unsubscribed by a link in a mail. `address` None: all of the contact's."""
        data = ConsentChanged(
            identity=Identity(contact_id=contact_id, email=address),
            channel="email",
            given=given,
            purpose=purpose,
            wording=wording,
            proof=proof,
        )
        return self._fact("consent.changed", contact_id, data, now, "live")

    def _fact(self, kind: str, contact_id: UUID, data: Struct, now: datetime, lane: Lane) -> Fact:
        return fact_about(
            contact_id, kind, data, now, lane, source=SOURCE, identifier=clock.new_id(), key_secret=self.key_secret
        )
