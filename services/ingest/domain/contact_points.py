"""E-mail addresses and phone numbers as people write them: several in a field, with a name, in national format."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from shared.events.identity import normalise_email, normalise_phone

_LONGEST: Final = 1000  # characters
_MOST: Final = 20
_BETWEEN: Final = re.compile(
    r"\s*(?:[,;|\n]|:::|\s/\s|\s(?:or|oder|ou|o|of|lub|and|und|et|y|e|en|i)\s)\s*", re.IGNORECASE
)
_IN_BRACKETS: Final = re.compile(r"<\s*([^<>\s]+)\s*>")
_NUMBERS: Final = re.compile(
    r"\s*(?:[,;|\n]|:::)\s*|\s+(?:/|&|or|and|oder|und|ou|et|o|y|e|of|en|lub|i)\s+|\s*/\s*(?=[+(])", re.IGNORECASE
)
_ABROAD: Final = re.compile(r"^\s*\(?(?:00|011(?=[ .-]))[ .-]?(?=[1-9])")
_AT_HOME: Final = re.compile(r"(?<=\d)\s*\(0\)\s*")  # +44 (0) 7700 900123
_CALLED: Final = re.compile(
    r"^\s*(?:tel(?:efon|efoon|efono|éfono|ephone)?|phone|mobile?|handy|cell)?\s*[.:]?\s*", re.IGNORECASE
)


def addresses_in(text: str) -> list[str]:
    """The addresses in a field that may hold several, or names: `Ada <ada@example.com>; grace@example.com`."""
    found: list[str] = []
    for written in _written(text[:_LONGEST]):
        with suppress(ValueError):
            address = normalise_email(written)
            if address not in found:
                found.append(address)
    return found


def _written(text: str) -> Iterator[str]:
    parts = _BETWEEN.split(text)
    if len(parts) == 1 and all("@" in word for word in text.split()):
        parts = text.split()
    for part in parts[:_MOST]:
        bracketed = _IN_BRACKETS.search(part)
        yield (bracketed[1] if bracketed else part).strip("'\" \t").removeprefix("mailto:")


def number_in(text: str, region: str | None = None) -> str | None:
    """The first readable number in E.164, with 00 read as +; None when there is none.

    `region` (ISO 3166): of numbers in national format.
    """
    text = text[:_LONGEST]
    for each in (text, *_NUMBERS.split(_CALLED.sub("", text))[:_MOST]):
        plain = _ABROAD.sub("+", each)
        with suppress(ValueError):
            return normalise_phone(_AT_HOME.sub(" ", plain) if "+" in plain else plain, region)
    return None
