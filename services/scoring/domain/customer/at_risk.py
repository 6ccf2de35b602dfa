"""Customers whose next purchase is overdue: from when on, and what a word from one of us in time may keep. Pure.

Who has not bought by the day by which half of those with the same history have bought again is waited for; from then on
each day without a purchase makes it less likely that there will ever be one.
"""

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.customer import advocacy
from services.scoring.domain.customer.days import bought, day_of
from services.scoring.domain.customer.purchases import History
from services.scoring.domain.model.model import Model
from services.scoring.domain.queue import LONGEST_MIN
from shared.durations import DAY_S

_DAYS_A_WEEK = 7


def overdue_since(state: ContactState, model: Model) -> float | None:
    """Since when, in seconds since 1970; None of who is not, or has been for so long that nobody is asked any more."""
    learnt = model.learnt.customer
    so_far = None if learnt is None else bought(state.days, state.earlier, day_of(state.as_of))
    if learnt is None or so_far is None:
        return None
    x, last = so_far.history.x, so_far.history.last
    wait = learnt.purchases.median_wait(History(x, last, last)) * _DAYS_A_WEEK
    since = (so_far.last + wait) * DAY_S
    return since if since <= state.as_of < since + LONGEST_MIN * 60 else None


def at_stake(state: ContactState, model: Model) -> float:
    """The share that may be kept of the margin to come, as last booked, in base minor units."""
    to_come = state.customer - state.past - advocacy.credit(state, model)
    return max(0.0, model.queue.customers.saved * to_come)
