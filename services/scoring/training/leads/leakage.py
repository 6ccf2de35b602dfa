"""Columns that may hold what was known only after the outcome: a score built on them works only for the past."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.scoring.domain.intervals import wilson
from services.scoring.domain.lead.features import Value
from services.scoring.training.reading.columns import words_of

Numbers = NDArray[np.float64]

_SURE: Final = 0.9  # a column that ranks this well by itself was hardly known before
_SUSPECT: Final = 0.8
_AHEAD: Final = 1.8  # so much further from chance than the next best
_NAMED: Final = 0.6  # when its name suggests afterwards
_ENOUGH: Final = 30
# What people fill in, or systems count, once a lead is being worked on.
_AFTERWARDS: Final = re.compile(
    r"\b(status|stage|tags?|quality|profile|notes?|comments?|reason|duration|call length|talk time|closed?|won|lost|"
    r"deal|disposition|result|outcome|converted|conversion|contract|invoice|revenue|paid|payment|order|customer since|"
    r"last (notable )?activity|qualified|opportunity|follow ?ups?|rejected|signed|onboard\w*|churn\w*)\b",
    re.IGNORECASE,
)
# With these words the same names describe the lead.
_BEFORE: Final = re.compile(
    r"\b(marital|civil|family|employment|job|work|health|smoking|home|house|company|annual|yearly|previous|prior|"
    r"checking|savings|credit)\b",
    re.IGNORECASE,
)
_TELLS: Final = 0.95  # share of one level that converts, where few do overall, from which it comes with the outcome
_MOST_CONVERT: Final = 0.7


@dataclass(frozen=True, slots=True)
class Leak:
    """A suspected column. `auc`: how well it ranks alone; 0.5 when it identifies the row and says nothing."""

    column: str
    why: str
    auc: float


def leaks(
    columns: Mapping[str, Sequence[Value]],
    outcome: Numbers,
    alone: Mapping[str, float],
    left_out: Mapping[str, str],
    afterwards: Mapping[str, str],
) -> list[Leak]:
    """The suspected columns, worst first, then those that identify the row.

    `alone`: the AUC of each column by itself. `afterwards`: columns known to lie later, and how.
    """
    found: list[Leak] = []
    best = sorted(alone.values(), reverse=True)
    for name, area in alone.items():
        others = best[1] if area == best[0] and len(best) > 1 else best[0]
        why = afterwards.get(name) or _filled(columns[name], outcome, area) or _sure(columns[name], outcome)
        if why is None and area >= _SURE:
            why = f"ranks almost perfectly by itself (AUC {area:.3f})"
        if why is None and area >= _SUSPECT and area - 0.5 >= _AHEAD * (others - 0.5):
            why = f"ranks far better by itself (AUC {area:.3f}) than any other (AUC {others:.3f})"
        said = words_of(name)
        if why is None and area >= _NAMED and _AFTERWARDS.search(said) and not _BEFORE.search(said):
            why = f"its name tells of what happens to a lead afterwards, and it ranks (AUC {area:.3f})"
        if why is not None:
            found.append(Leak(name, why, area))
    found.sort(key=lambda leak: (-leak.auc, leak.column))
    found += [Leak(name, why, alone.get(name, 0.5)) for name, why in left_out.items() if "identifier" in why]
    return found


def _filled(values: Sequence[Value], outcome: Numbers, area: float) -> str | None:
    """Why a column looks filled in afterwards: it is there far more often for one outcome than for the other."""
    there = np.array([value is not None for value in values])
    won, lost = outcome == 1, outcome == 0
    if area < _NAMED or won.sum() < _ENOUGH or lost.sum() < _ENOUGH or there.all() or not there.any():
        return None
    of_won, of_lost = float(there[won].mean()), float(there[lost].mean())
    if abs(of_won - of_lost) >= 0.6:  # noqa: PLR2004
        return f"filled in for {of_won:.0%} of those who converted and {of_lost:.0%} of those who did not"
    return None


def _sure(values: Sequence[Value], outcome: Numbers) -> str | None:
    """Why a column looks like the outcome in other words: nearly everybody with one of its levels converted."""
    if outcome.mean() > _MOST_CONVERT:
        return None
    numeric = any(isinstance(value, float) for value in values)
    levels: dict[str, list[int]] = {}
    for value, converted in zip(values, outcome.tolist(), strict=True):
        if value is not None:
            seen = levels.setdefault("a number" if numeric else str(value), [0, 0])
            seen[0] += 1
            seen[1] += int(converted)
    for level, (count, won) in sorted(levels.items(), key=lambda each: -each[1][1]):
        if won >= _ENOUGH and wilson(won / count, count)[0] >= _TELLS:
            return f"{won} of {count} with {level} converted"
    return None
