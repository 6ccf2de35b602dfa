"""A customer's standing: what the purchase models say about one contact. Pure."""

import math
from dataclasses import dataclass
from typing import Final

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.customer.days import bought, day_of
from services.scoring.domain.model.model import Model

_WEEKS_A_YEAR: Final = 52.0
_DAYS_A_WEEK: Final = 7
_ALIVE: Final = 0.5  # below it no next purchase is expected
_LONGEST_WAIT: Final = 3650  # days


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer's standing; without a learnt model only the past is known. `orders` are days with a purchase.

    `average` is the mean value of such a day in base minor units, `between` the mean number of days from one to the
    next. `expected` counts purchases of the coming year, `next_day` (since 1970) is the day by which half of
    similar customers buy again; None for one who has probably left.
    """

    orders: int
    average: int
    between: float | None
    p_alive: float | None = None
    expected: float | None = None
    next_day: int | None = None
    rfm: str | None = None

    @property
    def churn_risk(self) -> float | None:
        """1 - P(alive)."""
        return None if self.p_alive is None else 1.0 - self.p_alive


def standing(state: ContactState, model: Model, now: float) -> Standing | None:
    """The contact's standing as a customer; None without a purchase."""
    today = day_of(now)
    so_far = bought(state.days, state.earlier, today)
    if so_far is None:
        return None
    x = so_far.history.x
    between = (so_far.last - so_far.first) / x if x else None
    average = round(so_far.worth / so_far.purchases)
    learnt = model.learnt.customer
    if learnt is None:
        return Standing(so_far.purchases, average, between)
    alive = learnt.purchases.p_alive(so_far.history)
    wait = learnt.purchases.median_wait(so_far.history) * _DAYS_A_WEEK
    return Standing(
        orders=so_far.purchases,
        average=average,
        between=between,
        p_alive=alive,
        expected=learnt.purchases.expected(so_far.history, _WEEKS_A_YEAR),
        next_day=today + math.ceil(wait) if alive >= _ALIVE and wait < _LONGEST_WAIT else None,
        rfm=learnt.cuts.cell(so_far, today),
    )


def cell(state: ContactState, model: Model) -> str:
    """Its RFM cell as of its last event or day; empty for who bought nothing, or before the first fit."""
    today = day_of(state.as_of)
    so_far = None if model.learnt.customer is None else bought(state.days, state.earlier, today)
    return "" if model.learnt.customer is None or so_far is None else model.learnt.customer.cuts.cell(so_far, today)
