"""The sums of a contact's orders, updated order by order: adding one reads no others."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.customer.days import Days, Earlier, add, day_of, summed_up
from services.scoring.domain.customer.orders import Order, OrderKey, as_one, worth
from services.scoring.domain.model.model import Model

_MIXED: Final = "mixed"  # not a version: merged sums that different versions priced


def reckon(state: ContactState, before: Order | None, after: Order | None, model: Model) -> ContactState:
    """The contact's sums after one of its orders has changed.

    When another version has priced the others, `priced` stays as it is: the contact is due to be repriced (`all_of`).
    """
    was, now = worth(before, model), worth(after, model)
    days, mixed = dict(state.days), False
    for order, spent in ((before, -was.spent), (after, now.spent)):
        if order is None or not spent:
            continue
        day = day_of(order.at)
        mixed |= state.earlier is not None and day <= state.earlier.last
        add(days, day, spent)
    unconverted = dict(state.unconverted)
    for lacking, step in ((was.unconverted, -1), (now.unconverted, 1)):
        for currency in lacking:
            unconverted[currency] = unconverted.get(currency, 0) + step
    days, earlier = (state.days, state.earlier) if mixed else summed_up(days, state.earlier)
    return msgspec.structs.replace(
        state,
        days=days,
        earlier=earlier,
        past=state.past + now.margin - was.margin,
        paid_orders=state.paid_orders + now.counts - was.counts,
        priced=_MIXED if mixed else state.priced or model.pricing.version,
        unconverted={currency: count for currency, count in unconverted.items() if count},
    )


def join(
    state: ContactState, mine: Mapping[OrderKey, Order], theirs: Mapping[OrderKey, Order], model: Model
) -> tuple[ContactState, dict[OrderKey, Order]]:
    """The orders of two merged contacts, whose sums are already added: an order that both have counts once."""
    orders = dict(mine)
    for key, order in theirs.items():
        same = orders.get(key)
        orders[key] = one = as_one(same, order)
        if same is not None:
            state = reckon(reckon(state, same, one, model), order, None, model)
    return state, orders


def all_of(state: ContactState, orders: Iterable[Order], model: Model) -> ContactState:
    """The contact's sums, repriced by `model` from all of its orders."""
    state = msgspec.structs.replace(
        state, past=0, paid_orders=0, priced=model.pricing.version, unconverted={}, days={}, earlier=None
    )
    for order in sorted(orders, key=lambda order: order.at):  # so that no day comes before those already summed up
        state = reckon(state, None, order, model)
    return state


def together(a: ContactState, b: ContactState) -> dict[str, Any]:
    """The sums of two contacts that share no order."""
    unconverted = dict(a.unconverted)
    for currency, count in b.unconverted.items():
        unconverted[currency] = unconverted.get(currency, 0) + count
    days: Days = dict(a.days)
    for day, spent in b.days.items():
        add(days, day, spent)
    kept, earlier = summed_up(days, None)
    priced = a.priced if a.priced == b.priced or not b.priced else b.priced if not a.priced else _MIXED
    if a.earlier is not None or b.earlier is not None:
        kept, earlier, priced = _beside(a, b)
    return {
        "days": kept,
        "earlier": earlier,
        "past": a.past + b.past,
        "paid_orders": a.paid_orders + b.paid_orders,
        "priced": priced,
        "unconverted": unconverted,
    }


def _beside(a: ContactState, b: ContactState) -> tuple[Days, Earlier | None, str]:
    """Summed days cannot be joined: take the larger ones until all orders are repriced."""
    one = max(a, b, key=lambda state: (state.earlier.number if state.earlier is not None else 0, str(state.id)))
    return one.days, one.earlier, _MIXED
