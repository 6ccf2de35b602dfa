"""Makes the Kafka message of a fact: envelope, id and key are the same for every way in."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import structs

from services.ingest.config.source import Source
from services.ingest.domain.fact import Fact
from shared.events.envelope import KAFKA_HEADERS, Trust, encode, make_event
from shared.events.identity import derived_event_id, partition_key
from shared.kafka.records import Outgoing

_ORDERS: Final = frozenset({"purchase.completed", "purchase.refunded"})
_OF_THE_SHOP: Final = ("order:", "refund:")  # the shop's own ids


def event_id(fact: Fact, source: Source) -> UUID | None:
    """The event id derived from the sender's own message id; None when it sent none. Must never change.

    Trusted senders, keys of pages, and senders without a key have ids of their own, so that nobody can claim an id
    before its owner does. Public ids include the person, so that guessing an id takes it from nobody.
    """
    if not fact.sender_id:
        return None
    if not source.public:
        return event_id_of(fact, fact.sender_id, source.path, source.shop)
    person = fact.identity.primary(source.path, source.trust)
    return derived_event_id(f"{source.path}#{'keyless' if source.keyless else 'page'}", f"{person}\n{fact.sender_id}")


def event_id_of(fact: Fact, sender_id: str, source: str, shop: str | None) -> UUID:
    """The event id of a trusted sender. An order of one shop told by two senders is one event: a payment, a refund."""
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

    `shop`: the source whose orders it tells of, when not its own. `undated`: from a file without times.
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
