"""Segment's orders: what was paid, and what went back."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from services.ingest.domain.checks import Fields, amount_text
from services.ingest.domain.plain.leads import read_items
from shared.events.identity import Identity
from shared.events.types import Item, PurchaseCompleted, PurchaseRefunded
from shared.money import is_amount

_CURRENCY: Final = "USD"  # Segment's own default
# What the customer paid first: `revenue` leaves shipping and tax out.
_AMOUNTS: Final = ("total", "revenue", "value")


def read_order_completed(fields: Fields, identity: Identity) -> PurchaseCompleted:
    """The purchase that `properties` tell of; what is wrong is noted."""
    inner = _order(fields)
    order_id = inner.required(inner.text, "order_id") or ""
    items = read_items(inner, "products")
    amount = _amount(inner, items)
    if amount is None:
        _note_missing(inner)
    elif amount.startswith("-"):
        inner.note("total", "must not be negative; send Order Refunded instead")
    return PurchaseCompleted(
        identity=identity,
        order_id=order_id,
        amount=amount or "0",
        currency=inner.currency("currency") or _CURRENCY,
        items=items,
        coupon=inner.text("coupon"),
    )


def read_order_refunded(fields: Fields, identity: Identity, *, cancelled: bool) -> PurchaseRefunded | None:
    """The refund that `properties` tell of; what is wrong is noted.

    Without a `total`, what its products cost. None when an order was cancelled and no amount is known.
    """
    inner = _order(fields)
    order_id = inner.required(inner.text, "order_id") or ""
    amount = _amount(inner, read_items(inner, "products"))
    if amount is None:
        if cancelled:
            return None
        _note_missing(inner)
    return PurchaseRefunded(
        identity=identity,
        order_id=order_id,
        amount=(amount or "0").removeprefix("-"),  # some write what goes back below zero
        currency=inner.currency("currency") or _CURRENCY,
    )


def _order(fields: Fields) -> Fields:
    properties = fields.data.get("properties")
    return Fields(properties if isinstance(properties, dict) else {}, f"{fields.at}/properties", fields.wrong)


def _amount(inner: Fields, items: list[Item]) -> str | None:
    """A decimal. None when nothing tells it, or when what tells it is noted as wrong."""
    for name in _AMOUNTS:
        value = inner.data.get(name)
        if value is None or value == "":
            continue
        found = amount_text(value.replace("$", "") if isinstance(value, str) else value)  # their SDKs take "$19.99"
        if found is None:
            inner.note(name, "must be a plain decimal number such as 129.90")
        return found
    return _sum(items)


def _sum(items: list[Item]) -> str | None:
    """What the items cost together; None when there are none, or one has no price."""
    prices = [Decimal(item.price) * item.quantity for item in items if item.price is not None]
    if not prices or len(prices) < len(items):
        return None
    total = f"{sum(prices):f}"
    return total if is_amount(total) else None


def _note_missing(inner: Fields) -> None:
    if not any(_given(inner.data, name) for name in _AMOUNTS):
        inner.note("total", "is required, as a number, unless each of the products has its price")


def _given(data: Mapping[str, Any], name: str) -> bool:
    return data.get(name) not in (None, "")
