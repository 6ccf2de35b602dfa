"""Makes the Kafka message of a fact: one envelope, one id and one key, whichever way it came in."""

from datetime import datetime
from uuid import UUID

from services.ingest.config.sources import Source
from services.ingest.domain.fact import Fact
from shared.events.envelope import KAFKA_HEADERS, Trust, encode, make_event
from shared.events.identity import derived_event_id, partition_key
from shared.kafka.records import Outgoing


def event_id(fact: Fact, source: Source) -> UUID | None:
    """The id that the sender's own id of the message leads to; None when it named none. Must never change.

    Trusted senders, the key of a page, and those without a key each have their own: nobody can take an id before its
    owner comes. Among the public the person belongs to it, so that whoever guesses an id takes it from nobody else.
    """
    if not fact.sender_id:
        return None
    if not source.public:
        return derived_event_id(source.path, fact.sender_id)
    person = fact.identity.primary(source.path, source.trust)
    return derived_event_id(f"{source.path}#{'keyless' if source.keyless else 'page'}", f"{person}\n{fact.sender_id}")


def as_outgoing(
    fact: Fact,
    *,
    topic: str,
    source: str,
    trust: Trust,
    identifier: UUID,
    now: datetime,
    trace: str | None,
    key_secret: bytes,
    undated: bool = False,
) -> Outgoing:
    """The message for `topic`. `source` is `/sources/<name>`; a time in the future becomes `now`, and is marked.

    `undated`: of a file that does not say when it happened.
    """
    subject = fact.identity.primary(source, trust) or ""
    event = make_event(
        id=identifier,
        source=source,
        type=fact.type,
        time=fact.time or now,
        receivedtime=now,
        subject=subject,
        data=fact.data,
        trust=trust,
        traceparent=trace,
        undated=undated,
    )
    return Outgoing(topic, partition_key(subject, key_secret), encode(event), KAFKA_HEADERS)
