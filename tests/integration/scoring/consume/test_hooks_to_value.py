"""What webhooks become in scoring: refunds that name nobody, and payments that several events tell of."""

import json
from typing import Any

import pytest

from services.ingest.accept.outgoing import as_outgoing
from services.ingest.domain.hooks.hook import Hook
from services.ingest.domain.hooks.senders import shopify, stripe
from shared.events.identity import derived_event_id
from shared.kafka.producer import partition_of
from tests.support.scoring_service import PARTITIONS, World, scoring
from tests.unit.ingest.hooks.cases import NOW, body, incoming


@pytest.fixture
def partitions() -> int:
    return PARTITIONS


async def send(world: World, hook: Hook, name: str, topic: str = "") -> None:
    """As ingest puts it onto the log, each event on the partition of its own key."""
    reading = hook.read(incoming(x_shopify_topic=topic), json.loads(body(hook.kind, name)), {})
    source = f"/sources/{hook.kind}"
    for fact in reading.facts:
        assert fact.sender_id is not None
        outgoing = as_outgoing(
            fact,
            topic=world.topics.events,
            source=source,
            trust="trusted",
            identifier=derived_event_id(source, fact.sender_id),
            now=NOW.replace(day=20),
            trace=None,
            key_secret=b"x",
        )
        await world.put(outgoing.value, partition=partition_of(outgoing.key, range(PARTITIONS), ()))


async def customer(world: World, hook: Hook, api: Any) -> dict[str, Any]:
    """The one contact that there is."""
    await world.settled()
    assert await world.one("SELECT count(*) FROM contacts") == 1, hook.kind
    (found,) = (await api.get("/v1/contacts", email="ada@example.com"))["items"]
    return dict(found)


async def test_a_shopify_refund_finds_who_bought(world: World) -> None:
    async with scoring(world) as api:
        await send(world, shopify.HOOK, "order", "orders/create")
        await send(world, shopify.HOOK, "order", "orders/paid")
        before = await customer(world, shopify.HOOK, api)
        await send(world, shopify.HOOK, "refund", "refunds/create")
        after = await customer(world, shopify.HOOK, api)
    assert before["purchases"] == after["purchases"] == 1
    assert float(after["customer_value"]["amount"]) < float(before["customer_value"]["amount"])


async def test_all_that_stripe_tells_of_one_payment_is_one_purchase(world: World) -> None:
    async with scoring(world) as api:
        for name in ("payment_intent", "invoice", "invoice_clover", "checkout_subscription", "customer"):
            await send(world, stripe.HOOK, name)
        assert (await customer(world, stripe.HOOK, api))["purchases"] == 1
        await send(world, stripe.HOOK, "checkout_session")
        bought = await customer(world, stripe.HOOK, api)
        await send(world, stripe.HOOK, "charge_refunded")
        after = await customer(world, stripe.HOOK, api)
    assert bought["purchases"] == after["purchases"] == 2
    assert float(after["customer_value"]["amount"]) < float(bought["customer_value"]["amount"])
