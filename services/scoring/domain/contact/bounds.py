"""How much a contact holds: whatever is said of it, and however often, its state and its updates stay small."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from services.scoring.domain.contact.contact import Word

LONGEST_TEXT: Final = 500  # characters of a name or an interest
_ENCODER: Final = msgspec.json.Encoder()


class Bound(NamedTuple):
    """At most so many words of one kind, and so many bytes of them; the highest `rank` stays."""

    prefix: str
    most: int
    most_bytes: int
    rank: Callable[[Word], Any]


TRAITS: Final = Bound("trait:", 100, 8192, lambda word: (not word.public, word.at))
# A no is never pushed out by a yes.
CONSENTS: Final = Bound("consent:", 50, 4096, lambda word: (not word.value, not word.public, word.at))


def bounded(known: dict[str, Word]) -> tuple[dict[str, Word], int]:
    """What a contact keeps of all words, and how many fell out: of traits the newest stay, and a trusted one first."""
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
    """Bytes that it takes in an update, as JSON."""
    return len(_ENCODER.encode(name)) + len(_ENCODER.encode(word.value)) + 2
