"""How far an event is believed, by its sender's trust."""

from datetime import datetime
from typing import Any, Final

import msgspec

from shared.events.envelope import Event
from shared.events.types import (
    LIKELY_HUMAN,
    ContactAged,
    ContactTouched,
    EngagementRecorded,
    Followup,
    PurchaseCompleted,
    PurchaseRefunded,
)

_ANSWERS: Final = frozenset({"email_clicked", "email_replied"})


def happened(event: Event) -> datetime:
    """The time that counts: a sender's clock may be ahead, and a stranger may claim any time."""
    return event.receivedtime if event.trust == "public" else min(event.time, event.receivedtime)


def robot(data: Any) -> bool:
    """Whether it was probably no person."""
    return getattr(data, "human_likelihood", 1.0) < LIKELY_HUMAN


def as_a_machines(data: Any) -> Any:
    """The same, said to be no person's doing. Money is money, whoever paid it."""
    if isinstance(data, PurchaseCompleted | PurchaseRefunded) or not hasattr(data, "human_likelihood"):
        return data
    return msgspec.structs.replace(data, human_likelihood=0.0)


def believed(event: Event, data: Any) -> bool:
    """Whether it counts at all: a public sender cannot pay, nor stop the clock of a lead."""
    return event.trust == "trusted" or not isinstance(
        data, PurchaseCompleted | PurchaseRefunded | ContactTouched | ContactAged
    )


def proves_address(event: Event, data: Any) -> bool:
    """Whether it is our own event that somebody clicked or replied in a mail to the contact."""
    if event.trust != "trusted" or data.identity.contact_id is None or robot(data):
        return False
    if isinstance(data, EngagementRecorded):
        return data.kind in _ANSWERS
    return isinstance(data, Followup) and event.type == "followup.answered" and data.channel == "email"
