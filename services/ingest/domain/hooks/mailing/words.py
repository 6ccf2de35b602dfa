"""What senders of mail tell of an address: that its owner wants no more, or that nothing arrives there."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services.ingest.domain.fact import Fact
from services.ingest.domain.hooks.parts import person, text
from shared.events.types import ConsentChanged

PURPOSE: Final = "purpose"  # the option that says what its mails are for; without it a no is one to every mail


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
    """The word on consent; None when there is nobody whose it could be."""
    who = person(email=address, user_id=user_id)
    if who is None:
        return None
    change = ConsentChanged(identity=who, channel="email", given=given, purpose=purpose, proof=text(proof))
    return Fact("consent.changed", who, change, time, sender_id)


def purpose_of(options: Mapping[str, Any]) -> str | None:
    """What the source's mails are for, as its options say."""
    return text(options.get(PURPOSE))
