"""Plain JSON: `POST /v1/leads` and `POST /v1/purchases`."""

from collections.abc import Mapping
from typing import Any, Final

from services.ingest.domain.checks import (
    LONG,
    MOST_ITEMS,
    MOST_PIECES,
    MOST_VALUES,
    SHORT,
    Fields,
    Wrong,
    free_form_problem,
    name_problem,
)
from services.ingest.domain.fact import Fact, Refused, read_campaign, read_consent, read_identity
from shared.events.identity import LONGEST_ID
from shared.events.types import Item, LeadCaptured, PurchaseCompleted
from shared.limits import LONGEST_URL

# Fields of a lead that are stored among its traits.
OWN_TRAITS: Final = ("company", "role", "country", "locale", "time_zone", "size")
LEAD_FIELDS: Final = frozenset(
    {
        "email", "phone", "user_id", "anonymous_id", "name", "interest", "message", "estimated_value", "campaign",
        "consent", "traits", "occurred_at", "message_id", "form", "page", *OWN_TRAITS,
    }
)  # fmt: skip


def read_lead(data: Mapping[str, Any], country: str | None = None) -> Fact:
    """A lead. Unknown fields that hold a plain value are kept as traits. Raises Refused with every wrong field.

    `country`: of phone numbers in national format.
    """
    fields = Fields(data, country=country)
    identity = read_identity(fields)
    traits = dict(fields.free("traits"))
    for name in data:
        if name in OWN_TRAITS or name not in LEAD_FIELDS:
            _keep_as_trait(fields, name, traits)
    if len(traits) > MOST_VALUES:
        fields.wrong.append(Wrong("/", f"must not have more than {MOST_VALUES} fields that are not ours"))
    lead = LeadCaptured(
        identity=identity,
        name=fields.text("name"),
        form=fields.text("form"),
        page=fields.text("page", LONGEST_URL),
        campaign=read_campaign(fields.inner("campaign")),
        interest=fields.text("interest"),
        message=fields.text("message", LONG),
        estimated_value=fields.money("estimated_value"),
        traits=traits,
        consent=read_consent(fields.inner("consent")),
    )
    time, sender_id = fields.time("occurred_at"), fields.text("message_id", LONGEST_ID)
    if fields.wrong:
        raise Refused(fields.wrong)
    return Fact("lead.captured", identity, lead, time, sender_id)


def _keep_as_trait(fields: Fields, name: str, traits: dict[str, Any]) -> None:
    value = fields.data[name]
    if value is None:
        return
    problem = name_problem(name)
    if problem is None and isinstance(value, dict | list):
        problem = "is not a known field; put it into traits"
    if problem is None and not isinstance(value, str):
        problem = free_form_problem(value)
    if problem is not None:
        fields.note(name, problem)
        return
    kept = fields.text(name, SHORT) if isinstance(value, str) else value
    if kept is not None:
        traits.setdefault(name, kept)


def read_purchase(data: Mapping[str, Any]) -> Fact:
    """A paid order. Raises Refused with every wrong field."""
    fields = Fields(data)
    identity = read_identity(fields)
    order_id = fields.required(fields.text, "order_id")
    amount, currency = fields.required(fields.amount, "amount"), fields.required(fields.currency, "currency")
    if amount is not None and amount.startswith("-"):
        fields.note("amount", "must not be negative; send a refund instead")
    items = read_items(fields, "items")
    margin, coupon = fields.amount("margin"), fields.text("coupon")
    time, sender_id = fields.time("occurred_at"), fields.text("message_id", LONGEST_ID)
    if fields.wrong or order_id is None or amount is None or currency is None:
        raise Refused(fields.wrong)
    purchase = PurchaseCompleted(
        identity=identity,
        order_id=order_id,
        amount=amount,
        currency=currency,
        items=items,
        margin=margin,
        coupon=coupon,
    )
    # Without a message id, the order's own: the same order posted twice is one purchase.
    return Fact("purchase.completed", identity, purchase, time, sender_id or f"order:{order_id}")


def read_items(fields: Fields, name: str) -> list[Item]:
    """The lines of an order; notes what is wrong with each."""
    lines = fields.data.get(name)
    if lines is None:
        return []
    if not isinstance(lines, list) or len(lines) > MOST_ITEMS:
        fields.note(name, f"must be a list of at most {MOST_ITEMS} items")
        return []
    items = []
    for index, line in enumerate(lines):
        if not isinstance(line, dict):
            fields.wrong.append(Wrong(f"{fields.at}/{name}/{index}", "must be an object"))
            continue
        inner = Fields(line, f"{fields.at}/{name}/{index}", fields.wrong)
        quantity = line.get("quantity", 1)
        if isinstance(quantity, bool) or not isinstance(quantity, int) or not 0 < quantity <= MOST_PIECES:
            inner.note("quantity", "must be a whole number above 0")
            quantity = 1
        sku = inner.text("sku") or inner.text("product_id")
        price, margin = inner.amount("price"), inner.amount("margin")
        items.append(Item(sku=sku, name=inner.text("name"), quantity=quantity, price=price, margin=margin))
    return items
