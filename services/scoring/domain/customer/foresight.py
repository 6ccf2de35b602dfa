"""How much one customer may buy in the coming year: what is expected, and between which bounds, by simulation. Pure."""

from dataclasses import dataclass
from random import Random
from typing import Final

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.customer.days import bought, day_of
from services.scoring.domain.customer.value import margin_share
from services.scoring.domain.model.model import Model

_WEEKS_A_YEAR: Final = 52.0
_DRAWS: Final = 400
_OUTSIDE: Final = _DRAWS // 40  # draws below and above the bounds: 95 % are between them


@dataclass(frozen=True, slots=True)
class Foresight:
    """The purchases of the coming year and their margin in base minor units, each with its 95 % prediction interval."""

    purchases: float
    least_purchases: int
    most_purchases: int
    margin: int
    least_margin: int
    most_margin: int


def foresee(state: ContactState, model: Model, now: float) -> Foresight | None:
    """The coming year of a customer; None without a purchase or a learnt model. The same facts give the same draws."""
    learnt, today = model.learnt.customer, day_of(now)
    so_far = bought(state.days, state.earlier, today)
    if learnt is None or so_far is None:
        return None
    of, share, dice = so_far.history, margin_share(state, so_far), Random(state.id.int + today)  # noqa: S311 - no secret
    counts = [learnt.purchases.draw(of, _WEEKS_A_YEAR, dice) for _ in range(_DRAWS)]
    margins = sorted(learnt.spend.draw(of.x, so_far.mean, count, dice) * share for count in counts)
    counts.sort()
    expected = learnt.purchases.expected(of, _WEEKS_A_YEAR)
    return Foresight(
        expected,
        counts[_OUTSIDE],
        counts[-1 - _OUTSIDE],
        round(expected * learnt.spend.expected(of.x, so_far.mean) * share),
        round(margins[_OUTSIDE]),
        round(margins[-1 - _OUTSIDE]),
    )
