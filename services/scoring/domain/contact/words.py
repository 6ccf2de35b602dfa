"""The words that a contact is found by: from its name, company, address and number. Pure.

Whoever searches types what their keyboard has: case and accents make no difference, and a letter that some write as two
(ü, ø) is found either way. A number is found as it is dialled from abroad, from elsewhere in its country, or within it.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from services.scoring.domain.contact.contact import ContactState
from shared.events.identity import dialled

Spellings: TypeAlias = tuple[str, ...]
"""One word of a search, in all ways in which it may be written."""

_APART: Final = re.compile(r"[^\w@.\-]+")
_NUMBER: Final = re.compile(r"[\d+()./\-]+", re.ASCII)
_TRUNK: Final = "(0)"  # not dialled after a country code: +49 (0) 151 …
_LONGEST: Final = 64  # characters of a word
_MOST: Final = 24
_FEW_DIGITS: Final = 5  # in several pieces: fewer are no number (24 7 Fitness)
_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "þ": "th", "æ": "ae", "œ": "oe"}
)
_AS_TWO: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})


def words(text: str) -> list[str]:
    """The distinct words of a text, plain: letters, digits, and the punctuation of addresses."""
    return list(dict.fromkeys(_split(_plain(text))))[:_MOST]


def parts(text: str) -> set[str]:
    """The words of a text, and the parts of each, in all spellings."""
    found = {*words(text), *words(_as_two(text))}
    return found | {each for word in found for each in words(re.sub(r"[@.\-]", " ", word))}


def asked(text: str) -> list[Spellings]:
    """The words that are searched for; what is dialled is one word, whatever stands between its digits."""
    found: dict[Spellings, None] = {}
    number: list[str] = []
    for piece in [*unicodedata.normalize("NFKC", text).split(), ""]:
        if _NUMBER.fullmatch(piece):
            number.append(piece)
            continue
        found |= dict.fromkeys(_dialled(number))
        number = []
        each_way = zip(_split(_plain(piece)), _split(_plain(_as_two(piece))), strict=False)
        found |= dict.fromkeys(tuple(dict.fromkeys(each)) for each in each_way)
    return list(found)[:_MOST]


def begins(among: Collection[str], word: Spellings) -> bool:
    """Whether one of these words begins with the word."""
    return any(each.startswith(word) for each in among)


def said(state: ContactState) -> str:
    """The search words of a contact, and the parts of each; sorted, so that no order matters."""
    found: set[str] = set()
    for name in ("name", "trait:company", "email", "phone"):
        value = state.get(name)
        if isinstance(value, str):
            found |= parts(value)
            if name == "phone":
                found |= dialled(value)
    return _in_order(found)


def of_company(state: ContactState) -> str | None:
    """The search words of its company alone, by which those find it who may not see who it is; None: it has none."""
    company = state.get("trait:company")
    return _of_company(company) if isinstance(company, str) else None


@lru_cache(maxsize=4096)  # written with every event of everybody who works there
def _of_company(company: str) -> str | None:
    return _in_order(parts(company)) or None


def _in_order(found: Collection[str]) -> str:
    return " ".join(sorted(found)[: 2 * _MOST])


def _dialled(pieces: Sequence[str]) -> Iterator[Spellings]:
    """A number as one word, without what is dialled before its country code; few digits as they stand."""
    number = "".join(pieces)
    abroad = number.lstrip("(").startswith(("+", "00"))
    digits = re.sub(r"\D", "", number.replace(_TRUNK, "") if abroad else number)
    if len(pieces) > 1 and not abroad and not digits.startswith("0") and len(digits) < _FEW_DIGITS:
        yield from ((each,) for each in _split(" ".join(pieces)))
        return
    ways = digits.removeprefix("00") if abroad else digits, *(_split(number) if len(pieces) == 1 else ())
    if any(ways):
        yield tuple(dict.fromkeys(each[:_LONGEST] for each in ways if each))


def _split(text: str) -> list[str]:
    found = (word.strip(".-_@") for word in _APART.split(text))
    return [word[:_LONGEST] for word in found if word]


def _plain(text: str) -> str:
    """In lower case, without accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return unicodedata.normalize("NFC", "".join(each for each in apart if not unicodedata.combining(each)))


def _as_two(text: str) -> str:
    """With two letters for one, where some write so: Mueller, Joergensen."""
    return text if text.isascii() else unicodedata.normalize("NFC", text.casefold()).translate(_AS_TWO)
