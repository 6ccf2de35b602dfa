"""Addresses and numbers as people write them into one field: several, with a name around them, as dialled at home."""

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
_NUMBERS: Final = re.compile(r"\s*(?:[,;|\n]|:::)\s*|\s+(?:/|or|oder|ou|o|of|lub)\s+", re.IGNORECASE)
_ABROAD: Final = re.compile(r"^\s*\(?00\s?(?=[1-9])")


def addresses_in(text: str) -> list[str]:
    """The addresses of a field that holds several, or one with a name: `Ada <ada@example.com>; grace@example.com`."""
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
    """The number in E.164; of several the first that can be read, and 00 is +. None when there is none."""
    for each in (text, *_NUMBERS.split(text)[:_MOST]):
        with suppress(ValueError):
            return normalise_phone(_ABROAD.sub("+", each), region)
    return None
