"""What a contact is found by: the words of its name, company and addresses. Pure."""

import re
from typing import Final

from services.scoring.domain.contact import ContactState

_APART: Final = re.compile(r"[^\w@.\-]+")
_LONGEST: Final = 64  # characters of a word
_MOST: Final = 24


def words(text: str) -> list[str]:
    """The words of a text, in lower case: letters, digits, and what stands within an address. Each once."""
    found = (word.strip(".-_@") for word in _APART.split(text.lower()))
    return list(dict.fromkeys(word[:_LONGEST] for word in found if word))[:_MOST]


def said(state: ContactState) -> str:
    """The words that a contact is found by, each with its halves where it has any; sorted, so that no order matters."""
    found: set[str] = set()
    for name in ("name", "trait:company", "email", "phone"):
        value = state.get(name)
        if isinstance(value, str):
            for word in words(value):
                found |= {word, *words(re.sub(r"[@.\-]", " ", word))}
    return " ".join(sorted(found)[: 2 * _MOST])
