"""Makes the Kafka message of a fact: one envelope and one key, whichever way it came in."""

from datetime import datetime
from uuid import UUID

from services.ingest.domain.fact import Fact
from shared.events.envelope import KAFKA_HEADERS, encode, make_event
from shared.events.identity import partition_key
from shared.kafka.records import Outgoing


def as_outgoing(
    fact: Fact, *, topic: str, source: str, identifier: UUID, now: datetime, trace: str | None, key_secret: bytes
) -> Outgoing:
    """The message for `topic`. `source` is `/sources/<name>`; a time in the future becomes `now`, and is marked."""
    subject = fact.identity.primary(source) or ""
    event = make_event(
        id=identifier,
        source=source,
        type=fact.type,
        time=fact.time or now,
        receivedtime=now,
        subject=subject,
        data=fact.data,
        trust="trusted",
        traceparent=trace,
    )
    return Outgoing(topic, partition_key(subject, key_secret), encode(event), KAFKA_HEADERS)
