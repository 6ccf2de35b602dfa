"""What all orders of a contact come to, kept up to date order by order: nobody's orders are read to add one more."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from services.scoring.domain.contact import ContactState
from services.scoring.domain.customer.orders import Order, OrderKey, as_one, worth
from services.scoring.domain.model import Model

_MIXED: Final = "mixed"  # no version: the sums of contacts that were priced by different ones


def reckon(state: ContactState, before: Order | None, after: Order | None, model: Model) -> ContactState:
    """The contact's sums after one of its orders has changed.

    While another version has priced the others, this one is priced by `model` and `priced` stays: the contact is due
    to be priced anew (see `all_of`).
    """
    was, now = worth(before, model), worth(after, model)
    unconverted = dict(state.unconverted)
    for order, lacks, step in ((before, was.unconverted, -1), (after, now.unconverted, 1)):
        if order is not None and lacks:
            unconverted[order.currency] = unconverted.get(order.currency, 0) + step
    return msgspec.structs.replace(
        state,
        past=state.past + now.margin - was.margin,
        paid_orders=state.paid_orders + _counts(after) - _counts(before),
        priced=state.priced or model.pricing,
        unconverted={currency: count for currency, count in unconverted.items() if count},
    )


def join(
    state: ContactState, mine: Mapping[OrderKey, Order], theirs: Mapping[OrderKey, Order], model: Model
) -> tuple[ContactState, dict[OrderKey, Order]]:
    """The orders of two merged contacts, whose sums the state adds up already: an order that both have counts once."""
    orders = dict(mine)
    for key, order in theirs.items():
        same = orders.get(key)
        orders[key] = one = as_one(same, order)
        if same is not None:
            state = reckon(reckon(state, same, one, model), order, None, model)
    return state, orders


def all_of(state: ContactState, orders: Iterable[Order], model: Model) -> ContactState:
    """The contact's sums from all of its orders, by `model` alone."""
    state = msgspec.structs.replace(state, past=0, paid_orders=0, priced=model.pricing, unconverted={})
    for order in orders:
        state = reckon(state, None, order, model)
    return state


def together(a: ContactState, b: ContactState) -> dict[str, Any]:
    """The sums of two contacts that no order is known of to both."""
    unconverted = dict(a.unconverted)
    for currency, count in b.unconverted.items():
        unconverted[currency] = unconverted.get(currency, 0) + count
    return {
        "past": a.past + b.past,
        "paid_orders": a.paid_orders + b.paid_orders,
        "priced": a.priced if a.priced == b.priced or not b.priced else b.priced if not a.priced else _MIXED,
        "unconverted": unconverted,
    }


def _counts(order: Order | None) -> int:
    return order is not None and order.counts
