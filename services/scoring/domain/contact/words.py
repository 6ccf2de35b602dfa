"""The words by which a contact is found: of its name, company and addresses. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from services.scoring.domain.contact.contact import ContactState

_APART: Final = re.compile(r"[^\w@.\-]+")
_LONGEST: Final = 64  # characters of a word
_MOST: Final = 24


def words(text: str) -> list[str]:
    """The words of a text, in lower case: letters, digits, and what stands within an address. Each once."""
    found = (word.strip(".-_@") for word in _APART.split(text.lower()))
    return list(dict.fromkeys(word[:_LONGEST] for word in found if word))[:_MOST]


def parts(text: str) -> set[str]:
    """The words of a text, each with its halves where it has any."""
    return {each for word in words(text) for each in (word, *words(re.sub(r"[@.\-]", " ", word)))}


def meets(asked: Sequence[str], text: object) -> bool:
    """Whether for each of these a word of the text begins so."""
    found = parts(text) if isinstance(text, str) else set()
    return all(any(word.startswith(each) for word in found) for each in asked)


def said(state: ContactState) -> str:
    """The words that a contact is found by, each with its halves where it has any; sorted, so that no order matters."""
    found: set[str] = set()
    for name in ("name", "trait:company", "email", "phone"):
        value = state.get(name)
        if isinstance(value, str):
            found |= parts(value)
    return " ".join(sorted(found)[: 2 * _MOST])
