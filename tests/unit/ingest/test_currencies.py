"""A currency that is no code of ISO 4217 is refused on every way in, with the name of its field."""

from typing import Any

import msgspec
import pytest

from services.ingest.domain.cloud_events import read_cloud_event
from services.ingest.domain.fact import Refused
from services.ingest.domain.forms.read import read_form
from services.ingest.domain.hooks.senders.shopify import HOOK as SHOPIFY
from services.ingest.domain.hooks.senders.stripe import HOOK as STRIPE
from services.ingest.domain.plain.leads import read_lead, read_purchase
from services.ingest.domain.plain.typed_lead import read_typed_lead
from shared.events.types import LeadCaptured
from tests.unit.ingest.hooks.cases import body, incoming
from tests.unit.ingest.segment.test_segment import ORDER
from tests.unit.ingest.segment.test_segment import refused as refused_by_segment

WRONG = ["ZZZ", "XXX", "XTS", "AAA", "euro", "E1R"]


def refused(read: Any, *given: Any) -> set[str]:
    with pytest.raises(Refused) as caught:
        read(*given)
    return {wrong.at for wrong in caught.value.wrong}


@pytest.mark.parametrize("currency", WRONG)
def test_plain_json(currency: str) -> None:
    lead = {"email": "ada@example.com", "estimated_value": {"amount": "5.00", "currency": currency}}
    assert refused(read_lead, lead) == {"/estimated_value/currency"}
    assert read_typed_lead(msgspec.json.encode(lead)) is None, "looked at twice"
    order = {"email": "ada@example.com", "order_id": "1", "amount": "5.00", "currency": currency}
    assert refused(read_purchase, order) == {"/currency"}


@pytest.mark.parametrize("currency", WRONG)
def test_cloud_events(currency: str) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/erp", "type": "purchase.completed"}
    order = {"identity": {"email": "ada@example.com"}, "order_id": "7", "amount": "12.00", "currency": currency}
    assert refused(read_cloud_event, event | {"data": order}) == {"/data/currency"}
    lead = {"identity": {"email": "ada@example.com"}, "estimated_value": {"amount": "1.00", "currency": currency}}
    assert refused(read_cloud_event, event | {"type": "lead.captured", "data": lead}) == {
        "/data/estimated_value/currency"
    }
    cost = {"amount": "1.00", "currency": currency}
    assert refused(read_cloud_event, event | {"type": "cost.recorded", "data": cost}) == {"/data/currency"}


@pytest.mark.parametrize("currency", WRONG)
@pytest.mark.parametrize("event", ["Order Completed", "Order Refunded"])
def test_segment(event: str, currency: str) -> None:
    assert refused_by_segment(event=event, properties=ORDER | {"currency": currency}).keys() == {"/properties/currency"}


@pytest.mark.parametrize("currency", WRONG)
def test_hooks(currency: str) -> None:
    order = msgspec.json.decode(body("shopify", "order")) | {"currency": currency}
    assert refused(SHOPIFY.read, incoming(x_shopify_topic="orders/paid"), order, {}) == {"/currency"}
    event = msgspec.json.decode(body("stripe", "payment_intent"))
    event["data"]["object"]["currency"] = currency
    assert refused(STRIPE.read, incoming(), event, {}) == {"/data/object/currency"}


@pytest.mark.parametrize("currency", WRONG)
def test_a_form_s_lead_is_never_lost_for_its_sake(currency: str) -> None:
    """A form carries no estimate: whatever it calls a currency is one of the visitor's words."""
    form = {"email": "ada@example.com", "estimated_value": "500.00", "currency": currency}
    lead = read_form(form, {}, name="contact").data
    assert isinstance(lead, LeadCaptured)
    assert (lead.estimated_value, lead.traits["currency"]) == (None, currency)
