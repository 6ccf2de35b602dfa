"""Customer value: the margin of past purchases less refunds, and of future ones. Pure."""

import math
from functools import lru_cache
from typing import Final

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.customer import advocacy
from services.scoring.domain.customer.days import Bought, bought, day_of
from services.scoring.domain.customer.purchases import History, PurchaseModel
from services.scoring.domain.model.model import Model
from shared.money import MAX_MINOR

_MONTHS_A_YEAR: Final = 12
_REMEMBERED: Final = 50_000  # histories


def value(state: ContactState, model: Model, now: float) -> int:
    """Past margin less refunds, the discounted margin of expected purchases, and advocacy; in base minor units.

    Without a learnt model, nothing is expected.
    """
    whole = state.past + to_come(state, model, now) + advocacy.credit(state, model)
    return max(-MAX_MINOR, min(MAX_MINOR, whole))


def to_come(state: ContactState, model: Model, now: float) -> int:
    """The discounted margin of the purchases expected within the horizon. Never below 0."""
    learnt = model.learnt.customer
    so_far = bought(state.days, state.earlier, day_of(now)) if learnt is not None else None
    if learnt is None or so_far is None:
        return 0
    months, discount = model.scorecard.horizon_months, model.scorecard.monthly_discount
    purchases = _discounted(learnt.purchases, _by_weeks(so_far.history), months, discount)
    spend = learnt.spend.expected(so_far.history.x, so_far.mean)
    likely = max(0.0, 1.0 + advocacy.loyalty(state, model))
    return min(MAX_MINOR, round(purchases * spend * margin_share(state, so_far) * likely))


def margin_share(state: ContactState, so_far: Bought) -> float:
    """The share of margin in past spend."""
    return min(1.0, max(0.0, state.past / so_far.worth))


@lru_cache(maxsize=_REMEMBERED)
def _discounted(model: PurchaseModel, history: History, months: int, monthly_discount: float) -> float:
    return model.discounted_nearly(history, months, monthly_discount)


def _by_weeks(of: History) -> History:
    """The history in whole weeks, rounded up: many customers then share one, and a value moves once a week."""
    return History(of.x, float(math.ceil(of.last)), float(math.ceil(of.age)))


def monthly(yearly: float) -> float:
    """The monthly discount that amounts to this yearly one."""
    return math.expm1(math.log1p(yearly) / _MONTHS_A_YEAR)
