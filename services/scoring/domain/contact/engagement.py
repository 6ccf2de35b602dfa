"""Counts of what a contact did, by kind, each halved in every half-life. No points here: those are the model's."""

from collections.abc import Mapping
from typing import Final

from services.scoring.domain.contact.contact import ContactState, Counts, HalfLives

OTHER: Final = ""  # every kind beyond the bound; no sender can name it
_MOST_KINDS: Final = 64
_LONGEST_KIND: Final = 100  # characters


def one(kind: str, likelihood: float, at: float, half_lives: HalfLives) -> dict[str, Counts]:
    """A single engagement, weighted by how likely a person did it."""
    weight = min(1.0, max(0.0, likelihood))
    return {kind[:_LONGEST_KIND]: (at, *[weight] * len(half_lives))} if weight else {}


def joined(a: Mapping[str, Counts], b: Mapping[str, Counts], half_lives: HalfLives) -> dict[str, Counts]:
    """All counts of both. Beyond the bound on kinds, the first by name are kept apart, whichever came first.

    So neither the order of events nor a merge decides what is kept, and no sender can grow it without end.
    """
    counts = dict(a)
    for kind, those in b.items():
        counts[kind] = _both(counts.get(kind), those, half_lives)
    if len(counts) > _MOST_KINDS + (OTHER in counts):
        for kind in sorted(counts.keys() - {OTHER})[_MOST_KINDS:]:
            counts[OTHER] = _both(counts.get(OTHER), counts.pop(kind), half_lives)
    return counts


def merged(a: ContactState, b: ContactState) -> tuple[HalfLives, dict[str, Counts]]:
    """The half-lives and counts of both: while a change of half-lives is under way, of those that both have."""
    if not a.engaged or not b.engaged:
        one_of_them = a if a.engaged else b
        return one_of_them.half_lives, one_of_them.engaged
    common = tuple(each for each in a.half_lives if each in b.half_lives)
    return common, joined(_of(a, common), _of(b, common), common)


def _of(state: ContactState, half_lives: HalfLives) -> dict[str, Counts]:
    if state.half_lives == half_lives:
        return state.engaged
    places = [1 + state.half_lives.index(each) for each in half_lives]
    return {kind: (counts[0], *(counts[place] for place in places)) for kind, counts in state.engaged.items()}


def _both(a: Counts | None, b: Counts, half_lives: HalfLives) -> Counts:
    """Two fading counts as one, at the later of their times: a late event adds what is left of it by then."""
    if a is None:
        return b
    if a[0] < b[0]:
        a, b = b, a
    behind = b[0] - a[0]
    left = [a[place] + b[place] * 2.0 ** (behind / half_life) for place, half_life in enumerate(half_lives, 1)]
    return (a[0], *left)
