"""One order as senders tell it: payment, margin, refunds. Its worth is the model's business. Pure.

Every part is a join, so payment and refund may arrive in either order.
"""

from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct

from services.scoring.domain.contact.contact import moment
from services.scoring.domain.model.model import Model
from shared.events.types import PurchaseCompleted, PurchaseRefunded
from shared.money import MAX_MINOR, decimals, exactly, round_minor

OrderKey: TypeAlias = tuple[str, str]  # its source, and its id there
_MOST_WORTH: Final = MAX_MINOR // 1000  # of one order: the sum of millions must fit its column


class Order(Struct, frozen=True, kw_only=True):
    """Money in minor units of `currency`; `at`: when it was paid, in seconds since 1970.

    `margin`: None when nobody named it. `refunded`: by the refund's currency. While only a refund is known, `currency`
    is empty, `paid` and `at` are 0.
    """

    currency: str = ""
    paid: int = 0
    margin: int | None = None
    at: float = 0.0
    refunded: dict[str, int] = {}

    @property
    def day(self) -> date:
        """The day whose rates apply, in UTC."""
        return moment(self.at).date()


class Worth(NamedTuple):
    """An order's margin and sum after refunds, in base minor units.

    `unconverted`: the currencies whose amounts in it count 0 because a rate is missing. `counts`: whether it was paid,
    and has not gone back in full.
    """

    margin: int
    spent: int
    unconverted: tuple[str, ...] = ()
    counts: bool = True


_NOTHING: Final = Worth(0, 0, counts=False)


def worth(order: Order | None, model: Model) -> Worth:
    """The worth of the order at the rate of its day. A refund takes its share, in the order's own currency."""
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
        return Worth(0, 0, (order.currency,))
    return Worth(max(-_MOST_WORTH, min(_MOST_WORTH, left)), min(_MOST_WORTH, spent), missing)


def _back(order: Order, model: Model) -> tuple[Decimal, tuple[str, ...]]:
    """The refunds in minor units of the order's currency; and the currencies of those that have no rate and count 0."""
    back, missing, rates = Decimal(order.refunded.get(order.currency, 0)), [], model.pricing.rates
    for currency, minor in order.refunded.items():
        if currency == order.currency:
            continue
        theirs, ours = rates.on(currency, order.day), rates.on(order.currency, order.day)
        if theirs is None or ours is None:
            missing.append(currency)
        else:
            back += Decimal(minor).scaleb(decimals(order.currency) - decimals(currency)) * theirs / ours
    return back, tuple(sorted(missing))


def bought(said: PurchaseCompleted, at: float) -> Order:
    """The order as its payment tells it. Raises Permanent when an amount is no number."""
    return Order(
        currency=said.currency,
        paid=_minor(said.amount, said.currency),
        margin=_margin(said),
        at=at,
    )


def _margin(said: PurchaseCompleted) -> int | None:
    """The order's own, else that of its items, if each of them names one."""
    if said.margin is not None:
        return _minor(said.margin, said.currency)
    named = [exactly(item.margin) * item.quantity for item in said.items if item.margin is not None]
    return _rounded(sum(named, Decimal(0)), said.currency) if named and len(named) == len(said.items) else None


def returned(said: PurchaseRefunded, before: Order | None = None) -> Order:
    """The order as its refund tells it: some senders write a negative amount. Raises Permanent as `bought` does.

    `before`: the order so far, so that a refund that tells the total of all refunds adds only what is new.
    """
    back = abs(_minor(said.amount, said.currency))
    if said.total and before is not None:
        back = max(0, back - before.refunded.get(said.currency, 0))
    return Order(refunded={said.currency: back})


def as_one(a: Order | None, b: Order) -> Order:
    """The same order told twice is one order: the larger payment counts, and refunds add up."""
    if a is None:
        return b
    paid = max(a, b, key=_rank)
    refunded = dict(a.refunded)
    for currency, minor in b.refunded.items():
        refunded[currency] = min(MAX_MINOR, refunded.get(currency, 0) + minor)
    return Order(currency=paid.currency, paid=paid.paid, margin=paid.margin, at=paid.at, refunded=refunded)


def _rank(order: Order) -> tuple[int, bool, int, float, str]:
    """Which of two payments counts: a total order, so that the order of arrival does not matter."""
    return order.paid, order.margin is not None, order.margin or 0, -order.at, order.currency


def _minor(amount: str, currency: str) -> int:
    """Minor units, capped at the maximum. Raises Permanent when the amount is no number."""
    return _rounded(exactly(amount), currency)


def _rounded(amount: Decimal, currency: str) -> int:
    exact = amount.scaleb(decimals(currency))
    return round_minor(max(Decimal(-MAX_MINOR), min(Decimal(MAX_MINOR), exact)))
