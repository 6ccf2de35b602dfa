"""Countries as people and programs write them: by ISO 3166 code, or by name in the eight languages of forms."""

import unicodedata
from functools import cache, lru_cache
from typing import Final

from phonenumbers import SUPPORTED_REGIONS
from phonenumbers.geodata.locale import LOCALE_DATA  # the names of CLDR

_LANGUAGES: Final = ("en", "de", "fr", "es", "it", "nl", "pt", "pl")
_ALSO: Final = {"uk": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "greatbritain": "GB", "usa": "US",
                "unitedstatesofamerica": "US", "vereinigtestaatenvonamerika": "US", "holland": "NL", "brd": "DE",
                "tschechien": "CZ", "czechia": "CZ", "grossbritannien": "GB"}  # fmt: skip


@lru_cache(maxsize=1024)
def country_code(text: str) -> str | None:
    """`DE` for de, Deutschland, Germany, Niemcy; None for what is no country."""
    plain = text.strip().upper()
    if plain in SUPPORTED_REGIONS:
        return plain
    return _names().get(_letters(text))


@cache
def _names() -> dict[str, str]:
    found: dict[str, str] = {}
    for code, names in LOCALE_DATA.items():
        if code in SUPPORTED_REGIONS:
            for language in _LANGUAGES:
                name = names.get(language, "")
                found.setdefault(_letters(names[name[1:]] if name.startswith("*") else name), code)
    found.pop("", None)
    return found | _ALSO


def _letters(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text).casefold() if letter.isalpha())
