"""Bounds of a contact: whatever senders say, and however often, its state and its updates stay small."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from services.scoring.domain.contact.contact import Word

LONGEST_TEXT: Final = 500  # characters of a name or an interest
_ENCODER: Final = msgspec.json.Encoder()


class Bound(NamedTuple):
    """At most `most` words of one kind and `most_bytes` bytes; those with the highest `rank` stay."""

    prefix: str
    most: int
    most_bytes: int
    rank: Callable[[Word], Any]


TRAITS: Final = Bound("trait:", 100, 8192, lambda word: (not word.public, word.at))
# A yes never displaces a no.
CONSENTS: Final = Bound("consent:", 50, 4096, lambda word: (not word.value, not word.public, word.at))


def bounded(known: dict[str, Word]) -> tuple[dict[str, Word], int]:
    """The words that fit the bounds, and how many do not: of traits the newest stay, trusted ones first."""
    fallen = [name for bound in (TRAITS, CONSENTS) for name in _fallen(known, bound)]
    if not fallen:
        return known, 0
    gone = set(fallen)
    return {name: word for name, word in known.items() if name not in gone}, len(gone)


def _fallen(known: Mapping[str, Word], bound: Bound) -> Iterable[str]:
    sizes = {name: _size(name, word) for name, word in known.items() if name.startswith(bound.prefix)}
    if len(sizes) <= bound.most and sum(sizes.values()) <= bound.most_bytes:
        return
    room, kept = bound.most_bytes, 0
    for name in sorted(sizes, key=lambda name: (bound.rank(known[name]), name), reverse=True):
        if kept < bound.most and sizes[name] <= room:
            room, kept = room - sizes[name], kept + 1
        else:
            yield name


def _size(name: str, word: Word) -> int:
    """Its bytes of JSON in an update."""
    return len(_ENCODER.encode(name)) + len(_ENCODER.encode(word.value)) + 2
