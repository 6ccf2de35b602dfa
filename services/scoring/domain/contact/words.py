"""The search words of a contact: from its name, company and addresses. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from services.scoring.domain.contact.contact import ContactState

_APART: Final = re.compile(r"[^\w@.\-]+")
_LONGEST: Final = 64  # characters of a word
_MOST: Final = 24


def words(text: str) -> list[str]:
    """The distinct words of a text, in lower case: letters, digits, and the punctuation of addresses."""
    found = (word.strip(".-_@") for word in _APART.split(text.lower()))
    return list(dict.fromkeys(word[:_LONGEST] for word in found if word))[:_MOST]


def parts(text: str) -> set[str]:
    """The words of a text, and the parts of each."""
    return {each for word in words(text) for each in (word, *words(re.sub(r"[@.\-]", " ", word)))}


def meets(asked: Sequence[str], text: object) -> bool:
    """Whether each of these is the beginning of a word of the text."""
    found = parts(text) if isinstance(text, str) else set()
    return all(any(word.startswith(each) for word in found) for each in asked)


def said(state: ContactState) -> str:
    """The search words of a contact, and the parts of each; sorted, so that no order matters."""
    found: set[str] = set()
    for name in ("name", "trait:company", "email", "phone"):
        value = state.get(name)
        if isinstance(value, str):
            found |= parts(value)
    return " ".join(sorted(found)[: 2 * _MOST])
