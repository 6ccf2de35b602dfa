"""What scoring itself has to tell, as events: rows of the outbox that shared/kafka/outbox.py publishes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from shared.db.facts import Fact
from shared.db.halts import Lane
from shared.events.envelope import encode, make_event
from shared.events.identity import partition_key

SOURCE: Final = "/scoring"
PUBLISHER: Final = 0x46_48_53_46  # "FHSF": the advisory lock of the one who publishes; all processes agree on it


@dataclass(frozen=True, slots=True)
class FactMaker:
    """Makes facts; `key_secret` is that of every partition key."""

    key_secret: bytes
    new_id: Callable[[], UUID]

    def about(self, contact_id: UUID, kind: str, data: Struct, now: datetime, lane: Lane = "live") -> Fact:
        """An event of this type about the contact; what is not urgent goes by the bulk lane."""
        subject, identifier = f"contact:{contact_id}", self.new_id()
        event = make_event(
            id=identifier,
            source=SOURCE,
            type=kind,
            time=now,
            receivedtime=now,
            subject=subject,
            data=data,
            trust="trusted",
        )
        return Fact(identifier, partition_key(subject, self.key_secret), encode(event), lane)
