"""Makes the Kafka message of a fact: envelope, id and key are the same for every way in."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import structs

from services.ingest.config.sources import Source
from services.ingest.domain.fact import Fact
from shared.events.envelope import KAFKA_HEADERS, Trust, encode, make_event
from shared.events.identity import derived_event_id, partition_key
from shared.kafka.records import Outgoing

_ORDERS: Final = frozenset({"purchase.completed", "purchase.refunded"})
_OF_THE_SHOP: Final = ("order:", "refund:")  # the shop's own ids


def event_id(fact: Fact, source: Source) -> UUID | None:
    """The id that the sender's own id of the message leads to; None when it named none. Must never change.

    Trusted senders, the key of a page, and those without a key each have their own: nobody can take an id before its
    owner comes. Among the public the person belongs to it, so that whoever guesses an id takes it from nobody else.
    """
    if not fact.sender_id:
        return None
    if not source.public:
        return event_id_of(fact, fact.sender_id, source.path, source.shop)
    person = fact.identity.primary(source.path, source.trust)
    return derived_event_id(f"{source.path}#{'keyless' if source.keyless else 'page'}", f"{person}\n{fact.sender_id}")


def event_id_of(fact: Fact, sender_id: str, source: str, shop: str | None) -> UUID:
    """Of a trusted sender. What two of them tell of one order of one shop is one event: a payment, a refund."""
    shared = shop is not None and fact.type in _ORDERS and sender_id.startswith(_OF_THE_SHOP)
    return derived_event_id(shop if shared and shop is not None else source, sender_id)


def as_outgoing(
    fact: Fact,
    *,
    topic: str,
    source: str,
    shop: str | None = None,
    trust: Trust,
    identifier: UUID,
    now: datetime,
    trace: str | None,
    key_secret: bytes,
    undated: bool = False,
) -> Outgoing:
    """The message for `topic`. `source` is `/sources/<name>`; a time in the future becomes `now`, and is marked.

    `shop`: the source whose orders it speaks of, when that is not itself. `undated`: of a file that does not say when.
    """
    if trust == "trusted" and (fact.type in _ORDERS or (shop is not None and fact.identity.order is not None)):
        fact = _of_its_order(fact, shop)
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


def _of_its_order(fact: Fact, shop: str | None) -> Fact:
    """The fact with its order as an identity, so that a refund finds the buyer."""
    order = getattr(fact.data, "order_id", None) or fact.identity.order
    if fact.identity.order == order and shop is None:
        return fact
    identity = structs.replace(fact.identity, order=order, shop=shop)
    return structs.replace(fact, identity=identity, data=structs.replace(fact.data, identity=identity))
