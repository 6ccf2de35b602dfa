"""One order as it was said: paid, its margin, what went back. What it is worth is the model's business. Pure.

Every part is a join, so that it does not matter what is heard first, the payment or the refund.
"""

from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct

from services.scoring.domain.contact.contact import moment
from services.scoring.domain.model.model import Model
from shared.events.types import PurchaseCompleted, PurchaseRefunded
from shared.money import MAX_MINOR, decimals, exactly, round_minor

OrderKey: TypeAlias = tuple[str, str]  # the source that told of it, its id there
_MOST_WORTH: Final = MAX_MINOR // 1000  # of one order, so that the sum of millions still fits its column


class Order(Struct, frozen=True, kw_only=True):
    """Money in minor units of `currency`; `at`: when it was paid, in seconds since 1970.

    `margin`: None when nobody named it. `refunded`: what went back, by the currency in which it did. `currency` is
    empty, `paid` and `at` 0 while only a refund is known.
    """

    currency: str = ""
    paid: int = 0
    margin: int | None = None
    at: float = 0.0
    refunded: dict[str, int] = {}

    @property
    def counts(self) -> bool:
        """Whether something of it was paid and has stayed."""
        return self.paid > self.refunded.get(self.currency, 0)

    @property
    def day(self) -> date:
        """The day whose rates it is judged by, in UTC."""
        return moment(self.at).date()


class Worth(NamedTuple):
    """What is left of an order's margin and of the order, in base minor units; `unconverted`: 0 for want of a rate."""

    margin: int
    spent: int
    unconverted: bool


_NOTHING: Final = Worth(0, 0, unconverted=False)


def worth(order: Order | None, model: Model) -> Worth:
    """The margin of the order at the rate of its day. A refund takes its share, judged in the order's own currency."""
    if order is None or order.paid <= 0:
        return _NOTHING
    back, missing = _back(order, model)
    if back >= order.paid:
        return _NOTHING
    margin = order.margin if order.margin is not None else order.paid * Decimal(str(model.pricing.margin_rate))
    rest, rates = order.paid - back, model.pricing.rates
    left = rates.minor_in_base(margin * rest / order.paid, order.currency, order.day)
    spent = rates.minor_in_base(Decimal(rest), order.currency, order.day)
    if left is None or spent is None:
        return Worth(0, 0, unconverted=True)
    return Worth(max(-_MOST_WORTH, min(_MOST_WORTH, left)), min(_MOST_WORTH, spent), missing)


def _back(order: Order, model: Model) -> tuple[Decimal, bool]:
    """What went back, in minor units of the order's currency; and whether some of it has no rate and counts 0."""
    back, missing, rates = Decimal(order.refunded.get(order.currency, 0)), False, model.pricing.rates
    for currency, minor in order.refunded.items():
        if currency == order.currency:
            continue
        theirs, ours = rates.on(currency, order.day), rates.on(order.currency, order.day)
        if theirs is None or ours is None:
            missing = True
        else:
            back += Decimal(minor).scaleb(decimals(order.currency) - decimals(currency)) * theirs / ours
    return back, missing


def bought(said: PurchaseCompleted, at: float) -> Order:
    """The order as its payment says. Raises Permanent when an amount is no number."""
    return Order(
        currency=said.currency,
        paid=_minor(said.amount, said.currency),
        margin=None if said.margin is None else _minor(said.margin, said.currency),
        at=at,
    )


def returned(said: PurchaseRefunded, before: Order | None = None) -> Order:
    """The order as its refund says: some senders write what went back as minus. Raises Permanent as `bought` does.

    `before`: the order so far. Where the refund tells all that ever went back, what is known of that already is none.
    """
    back = abs(_minor(said.amount, said.currency))
    if said.total and before is not None:
        back = max(0, back - before.refunded.get(said.currency, 0))
    return Order(refunded={said.currency: back})


def as_one(a: Order | None, b: Order) -> Order:
    """The same order heard of twice is one order: the larger payment counts, and its refunds add up."""
    if a is None:
        return b
    paid = max(a, b, key=_rank)
    refunded = dict(a.refunded)
    for currency, minor in b.refunded.items():
        refunded[currency] = min(MAX_MINOR, refunded.get(currency, 0) + minor)
    return Order(currency=paid.currency, paid=paid.paid, margin=paid.margin, at=paid.at, refunded=refunded)


def _rank(order: Order) -> tuple[int, bool, int, float, str]:
    """Which of two payments counts: a total order, so that it does not matter which was heard first."""
    return order.paid, order.margin is not None, order.margin or 0, -order.at, order.currency


def _minor(amount: str, currency: str) -> int:
    """Minor units, at most as many as there can be. Raises Permanent when the amount is no number."""
    exact = exactly(amount).scaleb(decimals(currency))
    return round_minor(max(Decimal(-MAX_MINOR), min(Decimal(MAX_MINOR), exact)))
