"""Facts of scoring: events of its own, in the outbox that shared/kafka/outbox.py publishes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from shared.db.tables.facts import Fact
from shared.events.lanes import Lane
from shared.kafka.outbox import fact_about

SOURCE: Final = "/scoring"
PUBLISHER: Final = 0x46_48_53_46  # "FHSF": the advisory lock of the one who publishes; all processes agree on it


@dataclass(frozen=True, slots=True)
class FactMaker:
    """Makes facts; `key_secret` is that of every partition key."""

    key_secret: bytes
    new_id: Callable[[], UUID]

    def about(self, contact_id: UUID, kind: str, data: Struct, now: datetime, lane: Lane = "live") -> Fact:
        """A fact of this type about the contact; what is not urgent goes by the bulk lane."""
        return fact_about(
            contact_id, kind, data, now, lane, source=SOURCE, identifier=self.new_id(), key_secret=self.key_secret
        )
