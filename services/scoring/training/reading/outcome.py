"""A column that records the outcome of each lead, as yes and no."""

import re
from collections.abc import Sequence
from typing import Final

from services.scoring.training.reading.cells import is_missing, numbers
from services.scoring.training.reading.moments import moments
from services.scoring.training.reading.sheet import SheetUnusableError

_YES: Final = frozenset(
    {"1", "1.0", "yes", "y", "true", "t", "won", "closed won", "converted", "customer", "bought", "purchased", "paid",
     "success", "successful", "accepted", "signed", "subscribed", "ja", "j", "oui", "o", "sí", "si", "sì", "sim",
     "tak", "wahr", "vrai", "ok", "x"}
)  # fmt: skip
_NO: Final = frozenset(
    {"0", "0.0", "-1", "-1.0", "no", "n", "not", "false", "f", "lost", "closed lost", "none", "failed", "failure",
     "unsuccessful", "rejected", "declined", "disqualified", "unqualified", "nein", "non", "não", "nao", "nie", "nee",
     "falsch", "faux"}
)  # fmt: skip
_DENIED: Final = re.compile(r"(not|non|no|un|did not|didn't|nicht|never|0)[ ]?(?=\w{2})")
_MOST_SHOWN: Final = 6


def outcomes(cells: Sequence[str]) -> tuple[list[int | None], str]:
    """1, 0 or None (unknown) for each cell, and how that was read. Raises SheetUnusableError for other columns."""
    words = [_plain(cell) for cell in cells]
    there = {word for word in words if word in _NO or not is_missing(word)}
    if not there:
        raise SheetUnusableError("the outcome must be yes or no; this column is empty")
    yes, no = there & _YES, {word for word in there if word in _NO or _denies(word, there)}
    blank = len(there) < len(set(words))
    if yes and no:
        read = {word: int(word in yes) for word in yes | no}
        rest = there - yes - no
        said = f"yes: {_some(yes)}" + (f"; neither, and left out: {_some(rest)}" if rest else "")
    elif yes and (len(there) > 1 or blank):
        read = {word: int(word in yes) for word in there} | ({} if len(there) > 1 else {"": 0})
        said = f"yes: {_some(yes)}; all others are no"
        if len(there) == 1:
            return [int(word in yes) for word in words], said
    elif (filled := _filled(cells, there, blank=blank)) is not None:
        return filled
    elif len(there) == 2:  # noqa: PLR2004 - yes and no
        counts = {word: words.count(word) for word in there}
        positive = min(there - no or there, key=lambda word: (counts[word], word))
        read = {word: int(word == positive) for word in there}
        said = f"yes: {positive}" + ("" if no else " (the rarer of two)")
    elif len(there) == 1:
        read = dict.fromkeys(there, int(bool(yes)))
        said = f"all are {_some(there)}"
    else:
        raise SheetUnusableError(
            f"the outcome must be yes or no; this column holds {len(there)} values: {_some(there)}"
        )
    return [read.get(word) for word in words], said


def _filled(cells: Sequence[str], there: set[str], *, blank: bool) -> tuple[list[int | None], str] | None:
    """Read a column that holds the day of the conversion or an amount, and is otherwise empty or 0."""
    if len(there) <= 2 and not blank:  # noqa: PLR2004 - two values are yes and no
        return None
    if blank and moments(cells) is not None:
        return [int(not is_missing(cell)) for cell in cells], "yes: a time is there"
    amounts = numbers(cells)
    if len(there) > 2 and all(  # noqa: PLR2004
        value is not None or is_missing(cell) for cell, value in zip(cells, amounts, strict=True)
    ):
        known = [value for value in amounts if value is not None]
        if min(known) >= 0 and (blank or 0 in known):
            return [int((value or 0) > 0) for value in amounts], "yes: more than 0"
    return None


def _plain(cell: str) -> str:
    """`"Not_Converted."` is `not converted`; `b'yes'` is `yes`."""
    word = cell.casefold().strip().strip("\"'.!")
    if word.startswith(("b'", 'b"')):
        word = word[2:]
    return re.sub(r"[\s_\-/]+", " ", word).strip() if not re.fullmatch(r"-?[\d.]+", word) else word


def _denies(word: str, there: set[str]) -> bool:
    """Whether it negates another of the words, or one that we know: `not converted`, `unsold` beside `sold`."""
    found = _DENIED.match(word)
    rest = word[found.end() :] if found else ""
    return bool(rest) and (rest in there or rest in _YES or any(each.startswith(rest[:4]) for each in there - {word}))


def _some(words: set[str]) -> str:
    return ", ".join(sorted(words)[:_MOST_SHOWN])
