"""Columns that may hold what was known only after the outcome: a score built on them is good in the past alone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.scoring.domain.lead.features import Value

Numbers = NDArray[np.float64]

_SURE: Final = 0.9  # a column that ranks so well by itself is hardly a thing of before
_SUSPECT: Final = 0.75
_AHEAD: Final = 1.4  # so much further from chance than the next best
_NAMED: Final = 0.6  # with a name that tells of afterwards
_ENOUGH: Final = 30
# What people fill in, or systems count, once a lead is being worked on.
_AFTERWARDS: Final = re.compile(
    r"\b(status|stage|tags?|quality|profile|notes?|comments?|reason|duration|call length|talk time|closed?|won|lost|"
    r"deal|disposition|result|outcome|converted|conversion|contract|invoice|revenue|paid|payment|order|customer since|"
    r"last (notable )?activity|qualified|opportunity|follow ?ups?|rejected|signed|onboard\w*|churn\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Leak:
    """A suspected column. `auc`: how well it ranks alone; 0.5 where it names the row and says nothing."""

    column: str
    why: str
    auc: float


def leaks(
    columns: Mapping[str, Sequence[Value]], outcome: Numbers, alone: Mapping[str, float], left_out: Mapping[str, str]
) -> list[Leak]:
    """The suspected columns, the worst first, then what names the row. `alone`: the AUC of each column by itself."""
    found: list[Leak] = []
    best = sorted(alone.values(), reverse=True)
    for name, area in alone.items():
        others = best[1] if area == best[0] and len(best) > 1 else best[0]
        filled = _filled(columns[name], outcome)
        if filled is not None and area >= _NAMED:
            found.append(Leak(name, filled, area))
        elif area >= _SURE:
            found.append(Leak(name, f"ranks almost perfectly by itself (AUC {area:.3f})", area))
        elif area >= _SUSPECT and area - 0.5 >= _AHEAD * (others - 0.5):
            why = f"ranks far better by itself (AUC {area:.3f}) than any other (AUC {others:.3f})"
            found.append(Leak(name, why, area))
        elif area >= _NAMED and _AFTERWARDS.search(_words(name)):
            why = f"its name tells of what happens to a lead afterwards, and it ranks (AUC {area:.3f})"
            found.append(Leak(name, why, area))
    found.sort(key=lambda leak: (-leak.auc, leak.column))
    found += [Leak(name, why, alone.get(name, 0.5)) for name, why in left_out.items() if "identifier" in why]
    return found


def _words(name: str) -> str:
    """`callDuration_s` in words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\W]+", " ", name)


def _filled(values: Sequence[Value], outcome: Numbers) -> str | None:
    """Why a column looks filled in afterwards: it is there far more often for one outcome than for the other."""
    there = np.array([value is not None for value in values])
    won, lost = outcome == 1, outcome == 0
    if won.sum() < _ENOUGH or lost.sum() < _ENOUGH or there.all() or not there.any():
        return None
    of_won, of_lost = float(there[won].mean()), float(there[lost].mean())
    if abs(of_won - of_lost) >= 0.6:  # noqa: PLR2004
        return f"filled in for {of_won:.0%} of those who converted and {of_lost:.0%} of those who did not"
    return None
