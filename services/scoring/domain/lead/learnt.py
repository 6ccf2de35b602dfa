"""What past leads taught beyond the scorecard: log-odds that are added to it, level by level. Pure, plain Python.

The scorecard's own log-odds are the prior mean: an unseen level adds nothing, and a fit moves away from the scorecard
only as far as outcomes support it (models.md, 2.2). Every feature belongs to one factor of the bookings, so a value
still explains itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.lead.features import DID, Feature, Value, column_of
from services.scoring.domain.lead.together import Together
from shared.durations import DAY_S

Factor: TypeAlias = Literal["source", "traits", "engagement", "time"]

TRAIT: Final = "trait:"
FIXED: Final = ("source", "interest", "phone", "engagement", "age")
_DERIVED: Final = ("source", "phone")  # not said as they are
_LONGEST: Final = 64  # characters of a level
_REMEMBERED: Final = 10_000  # words


@dataclass(frozen=True, slots=True)
class Weighed:
    """A feature with the log-odds of its levels, and how unsure each is (online.py).

    `unseen`: the variance of a level that is not among them. A variance of 0 lets nothing move.
    """

    name: str
    feature: Feature
    weights: Mapping[str, float]
    variances: Mapping[str, float] = field(default_factory=dict)
    unseen: float = 0.0
    column: str = field(init=False)  # that the value is read from
    missing: float = field(init=False)  # what no value adds: the most frequent of all
    nothing: float = field(init=False)  # what 0 adds: of most kinds of engagement there was none

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", column_of(self.name))
        object.__setattr__(self, "missing", self.log_odds(None))
        object.__setattr__(self, "nothing", self.log_odds(0.0))

    def log_odds(self, value: Value) -> float:
        """What the value adds; 0.0 for a level that was never seen."""
        return self.weights.get(self.feature.level(value), 0.0)


@dataclass(frozen=True, slots=True)
class LeadModel:
    """One fit, by factor. `intercept` is added to every lead; `odds`: the version of its scorecard.

    `together`: what features say only together, a factor of its own; None in a fit where they say nothing.

    `intercept_variance`: how unsure it is. `step`: names what was learnt online since the fit; empty: nothing.
    """

    version: str
    odds: str
    intercept: float
    source: tuple[Weighed, ...]
    traits: tuple[Weighed, ...]
    engagement: tuple[Weighed, ...]
    time: tuple[Weighed, ...]
    intercept_variance: float = 0.0
    step: str = ""
    together: Together | None = None

    @property
    def features(self) -> tuple[Weighed, ...]:
        """Those of every factor."""
        return (*self.source, *self.traits, *self.engagement, *self.time)


def factor_of(name: str) -> Factor:
    """The factor of the bookings that a feature belongs to."""
    if name == "source":
        return "source"
    if name == "age":
        return "time"
    return "engagement" if name == "engagement" or name.startswith(DID) else "traits"


def said(name: str, state: ContactState) -> Value:
    """The value of a feature from what was said: source, trait, interest, whether a phone number is known."""
    if name == "source":
        return state.source.rpartition("/")[2] if state.source else None
    if name == "phone":
        return "no" if state.get("phone") is None else "yes"
    return _plain(state.get(name))


def did(name: str, state: ContactState, scorecard: float, clock: float) -> Value:
    """The value of a feature of engagement: the scorecard's sum, or what is left of one kind."""
    if name == "engagement":
        return scorecard
    counts = state.engaged.get(name.removeprefix(DID))
    if counts is None or not state.half_lives:
        return 0.0
    return float(counts[-1] * 2.0 ** (min(0.0, counts[0] - clock) / state.half_lives[-1]))


def age(state: ContactState, clock: float) -> float:
    """Days since the lead was captured."""
    return max(0.0, clock - state.captured) / DAY_S if state.captured is not None else 0.0


def of_said(features: Sequence[Weighed], state: ContactState) -> float:
    """What all of these add."""
    known, total = state.known, 0.0
    for each in features:
        if each.column in known or each.column in _DERIVED:
            total += each.log_odds(said(each.column, state))
        else:
            total += each.missing
    return total


def of_did(features: Sequence[Weighed], state: ContactState, scorecard: float, clock: float) -> float:
    """What all of these add."""
    engaged, total = state.engaged, 0.0
    for each in features:
        if each.column == "engagement" or each.column.removeprefix(DID) in engaged:
            total += each.log_odds(did(each.column, state, scorecard, clock))
        else:
            total += each.nothing
    return total


def of_age(features: Sequence[Weighed], state: ContactState, clock: float) -> float:
    """What all of these add."""
    days = age(state, clock)
    return sum([each.log_odds(days) for each in features])


def of_together(together: Together, state: ContactState, scorecard: float, clock: float) -> float:
    """What pairs and trees add."""
    return together.log_odds(levels_together(together, state, scorecard, clock))


def levels_together(together: Together, state: ContactState, scorecard: float, clock: float) -> bytes:
    """The levels of its columns. Only what is known of the lead is looked at: of most columns that is nothing."""
    found, places, columns = bytearray(_levels_said(together, state)), together.places, together.columns
    for kind in state.engaged:
        name = DID + kind
        if name in places:
            found[places[name]] = columns[places[name]].level(did(name, state, scorecard, clock))
    if "engagement" in places:
        found[places["engagement"]] = columns[places["engagement"]].level(scorecard)
    if "age" in places:
        found[places["age"]] = columns[places["age"]].level(age(state, clock))
    return bytes(found)


def _levels_said(together: Together, state: ContactState) -> bytes:
    """The levels of what was said, which most events leave as it was: the last one's are remembered."""
    known, source = state.known, state.source
    for last_known, last_source, levels in together.last:
        if last_known is known and last_source == source:
            return levels
    found, places, columns = bytearray(together.nothing), together.places, together.columns
    for name in (*_DERIVED, *known):
        if name in places:
            found[places[name]] = columns[places[name]].level(said(name, state))
    together.last[:] = [(known, source, bytes(found))]
    return bytes(found)


def _plain(value: Any) -> Value:
    """A trait as a number or a short word; anything else counts as missing."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number(value)
    if not isinstance(value, str):
        return None
    return _word(value) if len(value) <= _LONGEST else _read(value)


def _read(text: str) -> Value:
    """A text as a number or a short word; an empty one counts as missing."""
    if not text.strip():
        return None
    try:
        return _number(float(text))
    except ValueError:
        return text.strip().lower()[:_LONGEST]


_word = lru_cache(maxsize=_REMEMBERED)(_read)  # few words are said again and again, and most are no number


def _number(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < 1e18 else None  # noqa: PLR2004 - beyond it no trait is a number; NaN neither
