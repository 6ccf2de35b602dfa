"""A backlog for a service, made once and the same for every run: mixed events in the live lane, for one."""

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import islice

from shared.clock import new_id, utc_now
from shared.events.envelope import KAFKA_HEADERS, encode, make_event
from shared.events.identity import Identity, partition_key
from shared.events.types import Campaign, EngagementRecorded, LeadCaptured, PurchaseCompleted
from shared.kafka.records import Outgoing
from shared.kafka.topics import Topics, create_topics
from shared.money import Money
from tests.support.producing import producing

_FILLER = "x" * 180


async def publish(kafka: str, topics: Topics, messages: Iterable[Outgoing]) -> None:
    """Make the topics, and put the messages into theirs."""
    await create_topics(kafka, topics, partitions=12, replication=1)
    left = iter(messages)
    async with producing(kafka, client_id="benchmark") as producer:
        while some := list(islice(left, 5000)):
            await producer.send_all(some)


def somebody(person: int) -> str:
    """The address of a person whom nobody knows yet."""
    return f"person{person}@example.com"


def mixed(
    count: int,
    topic: str,
    *,
    secret: bytes = b"benchmark",
    seed: int = 7,
    address: Callable[[int], str] = somebody,
) -> Iterator[Outgoing]:
    """`count` events of about 600 bytes: 5 % leads, 5 % purchases, 90 % page views, of `count` / 5 people."""
    dice = random.Random(seed)
    now = utc_now()
    for number in range(count):
        person = dice.randrange(max(1, count // 5))
        identity = Identity(email=address(person), anonymous_id=f"device-{person}")
        when = now - timedelta(seconds=(count - number) / 1000)
        chance = dice.random()
        data: LeadCaptured | PurchaseCompleted | EngagementRecorded
        if chance < 0.05:
            kind, data = "lead.captured", LeadCaptured(
                identity=identity, name="Ada Lovelace", interest="pricing", message=_FILLER,
                estimated_value=Money("500.00", "EUR"), campaign=Campaign(source="google", medium="cpc"),
                traits={"company": "Analytical Engines", "country": "DE", "size": 120},
            )  # fmt: skip
        elif chance < 0.10:
            kind, data = "purchase.completed", PurchaseCompleted(
                identity=identity, order_id=f"A-{number}", amount="129.90", currency="EUR", coupon=_FILLER
            )  # fmt: skip
        else:
            kind, data = "engagement.recorded", EngagementRecorded(
                identity=identity, kind="page_viewed", what="https://example.com/pricing?" + _FILLER,
                properties={"title": "Pricing", "path": "/pricing"},
            )  # fmt: skip
        subject = identity.primary("/sources/website") or ""
        event = make_event(
            id=new_id(), source="/sources/website", type=kind, time=when, receivedtime=now, subject=subject, data=data,
            trust="trusted",
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )  # fmt: skip
        yield Outgoing(topic, partition_key(subject, secret), encode(event), KAFKA_HEADERS)
