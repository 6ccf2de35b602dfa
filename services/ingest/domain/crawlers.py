"""Which user agents are crawlers: the list of `crawlerdetect`, searched so that an unknown agent costs little.

The library tries its 1,500 patterns at each character, which takes a tenth of a millisecond per character. Nearly all
are plain words, or begin with one: these are searched as words, and only hits are tried as patterns.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from crawlerdetect.providers.crawlers import data as crawlers
from crawlerdetect.providers.exclusions import data as exclusions

_SPECIAL: Final = frozenset("[](){}|*+?^$.")
# `[a-z]*bot` matches wherever `bot` does, in quadratic time.
_BEFORE_IT: Final = re.compile(r"^\[[^\]]*\]\*")
_LEAST: Final = 3  # shortest word worth searching for


class _Patterns(NamedTuple):
    words: tuple[str, ...]
    begun_by: tuple[tuple[str, re.Pattern[str]], ...]
    others: re.Pattern[str]
    at_the_start: re.Pattern[str]
    left_out: re.Pattern[str]


def is_crawler(agent: str) -> bool:
    """Whether the agent is a crawler, a link preview or a monitor."""
    known = _patterns()
    named = known.left_out.sub("", agent).strip()
    if not named:
        return False
    lower = named.lower()
    return (
        any(word in lower for word in known.words)
        or known.at_the_start.match(named) is not None
        or any(word in lower and pattern.search(named) for word, pattern in known.begun_by)
        or known.others.search(named) is not None
    )


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    words: list[str] = []
    begun_by: list[tuple[str, re.Pattern[str]]] = []
    others: list[str] = []
    at_the_start: list[str] = []
    for pattern in (_BEFORE_IT.sub("", each) for each in crawlers):
        word, whole = _beginning(pattern)
        if whole:
            words.append(word.lower())
        elif "|" in pattern or len(word) < _LEAST:
            (at_the_start if pattern.startswith("^") and "|" not in pattern else others).append(pattern)
        else:
            begun_by.append((word.lower(), re.compile(pattern, re.IGNORECASE)))
    return _Patterns(
        tuple(words), tuple(begun_by), _any_of(others), _any_of(at_the_start), _any_of(exclusions)
    )  # fmt: skip


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(patterns) or r"(?!)", re.IGNORECASE)


def _beginning(pattern: str) -> tuple[str, bool]:
    """The literal prefix of a pattern, and whether it is the whole pattern."""
    found: list[str] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            at += 1
            letter = pattern[at]
            if letter.isalnum():  # a class such as \d
                return "".join(found), False
        elif letter in _SPECIAL:
            if letter in "*?{" and found:  # the letter before it is optional
                found.pop()
            return "".join(found), False
        found.append(letter)
        at += 1
    return "".join(found), True
