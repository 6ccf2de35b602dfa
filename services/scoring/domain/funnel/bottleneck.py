"""Where in the funnel most is lost against its targets, in customers and in money. Pure.

A step falls short when its target lies above the whole interval of its rate, so that chance alone does not name it; of
several the one that costs most customers is the bottleneck. Shares multiply, so a step at half of its target loses as
many customers wherever it stands. Only those are judged who have had time to take the step.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

from services.scoring.domain.funnel.levels import BEFORE, Levels, levels
from services.scoring.domain.funnel.places import Place, Sums
from services.scoring.domain.intervals import Interval, share
from shared.money import to_decimal

Target: TypeAlias = Literal["lead", "engaged", "qualified", "customer", "repeat"]
Where: TypeAlias = Literal["awareness", "lead generation", "lead quality", "nurturing", "retention"]

# Where nobody says anything else. Assumptions to begin with, from no study: your own figures are better.
TARGETS: Final[Mapping[Target, float]] = {
    "lead": 0.03, "engaged": 0.4, "qualified": 0.5, "customer": 0.2, "repeat": 0.3,
}  # fmt: skip
_WHERE: Final[Mapping[Target, Where]] = {
    "lead": "lead generation",
    "engaged": "nurturing",
    "qualified": "lead quality",
    "customer": "nurturing",
    "repeat": "retention",
}
_RIPE_WEEKS: Final = {"lead": 1, "engaged": 1, "qualified": 1, "customer": 4, "repeat": 12}
_FEW: Final = 30  # of fewer nobody can say anything
_VERBS: Final = {
    "lead": "became leads", "engaged": "answered", "qualified": "were qualified", "customer": "bought",
    "repeat": "bought again",
}  # fmt: skip
_WHO: Final = {
    "visitor": "visitors", "lead": "leads", "engaged": "engaged leads", "qualified": "qualified leads",
    "customer": "customers",
}  # fmt: skip


class Bottleneck(NamedTuple):
    """Where it is, and the figures that say so. `stage`: that too few come to; None: too few come at all.

    `missing`: customers that there would be with it on its target (of `repeat`: as many as are worth as much), `gain`:
    what they are worth, in base minor units; None where no customer tells what one is worth.
    """

    where: Where | None
    stage: str | None
    rate: Interval | None
    target: float | None
    missing: float
    gain: int | None
    says: str


def bottleneck(
    now: Sequence[tuple[Place, Sums]], before: Sequence[tuple[Place, Sums]], today: date, model: "Judged"
) -> Bottleneck:
    """The bottleneck of those first seen in a number of weeks; `before`: those of as many weeks before."""
    found = [each for stage in _WHERE if (each := _short(stage, now, today, model)) is not None]
    all_of, earlier = levels(now), levels(before)
    if (fewer := _fewer(all_of, earlier, model)) is not None:
        found.append(fewer)
    if found:
        return max(found, key=lambda each: each.missing)
    came = all_of["visitor"].contacts
    if came < _FEW:
        return Bottleneck(None, None, None, None, 0.0, None, f"Too few to say: {came:,} visitors.")
    says = f"Awareness: no step falls short of its target, so more customers need more than {came:,} visitors."
    return Bottleneck("awareness", None, None, None, 0.0, None, says)


class Judged(NamedTuple):
    """By what it is judged: the targets by stage, and the base currency."""

    targets: Mapping[Target, float]
    currency: str


def _short(stage: Target, rows: Sequence[tuple[Place, Sums]], today: date, model: Judged) -> Bottleneck | None:
    ripe = [row for row in rows if row[0].week <= today - timedelta(weeks=_RIPE_WEEKS[stage])]
    here = levels(ripe)
    of, came = here[BEFORE[stage]].contacts, here[stage].contacts
    rate, target = share(came, of), model.targets[stage]
    if of < _FEW or rate.high >= target:
        return None
    more = of * target - came
    missing, gain = _repeats(here, more) if stage == "repeat" else _customers(stage, here, more, model)
    says = (
        f"{_WHERE[stage].capitalize()}: {came:,} of {of:,} {_WHO[BEFORE[stage]]} {_VERBS[stage]}. That is "
        f"{_percent(rate.value)} ({_percent(rate.low)} to {_percent(rate.high)}), {_percent(target)} is the target, "
        f"and what is missing costs {_worth(missing, gain, model)}."
    )
    return Bottleneck(_WHERE[stage], stage, rate, target, missing, gain, says)


def _customers(stage: Target, here: Levels, more: float, model: Judged) -> tuple[float, int | None]:
    """So many more at this stage are so many more customers, as the rest of the way is now."""
    customers, onward = here["customer"].contacts, 1.0
    if here[stage].contacts and customers:
        onward = customers / here[stage].contacts
    else:  # nobody has gone on from here: by the targets
        path = list(_WHERE)
        for after in path[path.index(stage) + 1 : path.index("customer") + 1]:
            onward *= model.targets[after]
    missing = more * onward
    return missing, round(missing * here["customer"].value / customers) if customers else None


def _repeats(here: Levels, more: float) -> tuple[float, int | None]:
    """So many more who buy again are worth as much as so many more customers."""
    customers, again = here["customer"], here["repeat"]
    once = customers.contacts - again.contacts
    each = customers.value / customers.contacts
    if not again.contacts or not once or each <= 0:
        return more, None
    better = max(0.0, again.value / again.contacts - (customers.value - again.value) / once)
    return more * better / each, round(more * better)


def _fewer(now: Levels, before: Levels, model: Judged) -> Bottleneck | None:
    """Whether fewer came than in as many weeks before, beyond chance: as shares of both, whose target is a half."""
    came, earlier = now["visitor"].contacts, before["visitor"].contacts
    if earlier < _FEW or share(came, came + earlier).high >= 1 / 2:
        return None
    customers = now["customer"]
    missing = (earlier - came) * (customers.contacts / came if came else 0.0)
    gain = round(missing * customers.value / customers.contacts) if customers.contacts else None
    says = (
        f"Awareness: {came:,} visitors, where as many weeks before there were {earlier:,}: that costs "
        f"{_worth(missing, gain, model)}."
    )
    return Bottleneck("awareness", None, None, None, missing, gain, says)


def _percent(part: float) -> str:
    return f"{100 * part:.3g} %"


def _worth(missing: float, gain: int | None, model: Judged) -> str:
    customers = f"{missing:.1f} customers" if missing < 10 else f"{missing:,.0f} customers"  # noqa: PLR2004
    return customers if gain is None else f"{customers} or {to_decimal(gain, model.currency):,f} {model.currency}"
