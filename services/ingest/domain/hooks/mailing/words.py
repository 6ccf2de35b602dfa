"""What mail services tell about an address: that its owner unsubscribed, or that nothing arrives there."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services.ingest.domain.fact import Fact
from services.ingest.domain.hooks.parts import person, text
from shared.events.types import ConsentChanged

PURPOSE: Final = "purpose"  # the option for the purpose of its mails; without it a no is one to all mail


def consent(
    address: Any,
    *,
    given: bool,
    proof: str,
    sender_id: str,
    time: datetime | None,
    purpose: str | None = None,
    user_id: Any = None,
) -> Fact | None:
    """The fact on consent; None when it names nobody."""
    who = person(email=address, user_id=user_id)
    if who is None:
        return None
    change = ConsentChanged(identity=who, channel="email", given=given, purpose=purpose, proof=text(proof))
    return Fact("consent.changed", who, change, time, sender_id)


def purpose_of(options: Mapping[str, Any]) -> str | None:
    """The purpose of the source's mails, from its options."""
    return text(options.get(PURPOSE))
