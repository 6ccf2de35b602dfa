"""Countries as people and programs write them: by ISO 3166 code, or by name in the eight languages of forms."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Final

import phonenumbers
from phonenumbers import SUPPORTED_REGIONS

from shared.places.country_names import ALSO, AT_HOME, MORE, THREE

_LANGUAGES: Final = ("en", "de", "fr", "es", "it", "nl", "pt", "pl")
_LONGEST: Final = 120  # characters
_BESIDE: Final = re.compile(r"\(([^()]*)\)|\s[-\u2013]\s|\s?/\s?|,\s")  # Germany (DE), Deutschland / Germany
_FLAG: Final = re.compile("[\U0001f1e6-\U0001f1ff]{2}")  # two letters of a country's code
_FLAG_A: Final = 0x1F1E6
_APART: Final = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "\u0131": "i"})


@lru_cache(maxsize=4096)
def country_code(text: str) -> str | None:
    """`DE` for de, DEU, Deutschland, Germany (DE), Niemcy; None for what is no country."""
    plain = _FLAG.sub(_letters_of, text[:_LONGEST]).strip()
    return _code(plain) or next((code for part in _BESIDE.split(plain) if part and (code := _code(part))), None)


def _letters_of(flag: re.Match[str]) -> str:
    code = "".join(chr(ord("A") + ord(each) - _FLAG_A) for each in flag[0])
    return f"{code}, " if flag.end() < len(flag.string) else code


def _code(text: str) -> str | None:
    plain = text.strip().upper()
    codes, names = _known()
    return codes.get(plain.replace(".", "")) or names.get(_letters(text))


@cache
def _known() -> tuple[dict[str, str], dict[str, str]]:
    """Countries by code, and by name."""
    codes = {each[:3]: each[3:] for each in THREE.split()}
    codes |= {code: code for code in (*codes.values(), *SUPPORTED_REGIONS)} | {"UK": "GB", "EL": "GR"}
    names: dict[str, str] = {}
    for code, of_it in _names_of_cldr().items():
        for language in _LANGUAGES if code in codes else ():
            name = of_it.get(language, "")
            names.setdefault(_letters(of_it[name[1:]] if name.startswith("*") else name), code)
    for code, more in (*MORE.items(), *AT_HOME.items()):
        for name in more.split("; "):
            names.setdefault(_letters(name), code)
    names.pop("", None)
    return codes, names | ALSO


def _names_of_cldr() -> Mapping[str, Mapping[str, str]]:
    """The names that `phonenumbers` brings, by country and language; `*de` is the name in German.

    Only this one module is loaded: importing its package reads the location of every telephone number in the world,
    which costs each process 100 MB and a second.
    """
    spec = spec_from_file_location("phonenumbers.geodata.locale", names_file(Path(phonenumbers.__file__).parent))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    names: Mapping[str, Mapping[str, str]] = module.LOCALE_DATA
    return names


def names_file(package: Path) -> Path:
    """Where `phonenumbers` has the names of countries; the image keeps this file of its folder."""
    return package / "geodata" / "locale.py"


def _letters(text: str) -> str:
    """In small letters without accents; `&` is how English writes and."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_APART)).replace("&", "and").replace("st.", "saint")
    return "".join(letter for letter in plain if letter.isalpha() and letter.isascii()) or plain
