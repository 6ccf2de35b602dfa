"""Time zones as people and programs write them, in the names of the time zone database (IANA).

Of an offset (+02:00) the zone of the country counts if its clock ever shows that; else it is the fixed one. An
abbreviation such as EST counts only where the country leaves one meaning to it.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from shared.places.zone_names import ABBREVIATIONS, HALVES, MAIN, NAMED, WINDOWS

_LONGEST: Final = 120  # characters
_OFFSET: Final = re.compile(
    r"(?:utc|gmt)?\s*(?P<sign>[+\u2212-])\s*(?:(?P<hours>\d{1,2})(?::(?P<minutes>\d\d))?|(?P<four>\d{4}))", re.ASCII
)
_BEFORE_WORDS: Final = re.compile(r"(?:UTC|GMT)\s*[+\u2212-]\s*\d{1,2}(?::?\d\d)?(?=[\s,(-])", re.ASCII | re.IGNORECASE)
_DOTTED: Final = re.compile(r"\b([A-Za-z])\.(?=[A-Za-z]{2})")  # W.Europe
_IN_TEXT: Final = re.compile(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+")
_IN_BRACKETS: Final = re.compile(r"\(([^()]*)\)")
_STANDARD: Final = re.compile(r" (?:standard|daylight|summer) time$")
_HUBSPOT: Final = (("_slash_", "/"), ("_hyphen_", "-"), ("_plus_", "+"), ("_minus_", "-"))
_FARTHEST: Final = 14  # hours from UTC
_DAYS: Final = (datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC))
# Names of the database that are abbreviations: the country decides which zone is meant, where it can.
_SHORT: Final = ("est", "mst", "hst", "cet", "met", "eet", "wet", "pst8pdt", "est5edt", "cst6cdt", "mst7mdt", "uct")


@lru_cache(maxsize=4096)
def zone_named(text: str, country: str | None = None) -> str | None:
    """`America/Los_Angeles` for "Pacific Time (US & Canada)"; None when it is ambiguous. `country`: its ISO code."""
    plain = " ".join(text[:_LONGEST].replace("\\/", "/").replace("&amp;", "&").split()).strip("'\" ")
    plain = _DOTTED.sub(r"\1. ", plain.replace(" / ", "/"))
    if not plain:
        return None
    return _of_the_database(plain) or _by_name(_folded(plain), country) or _with_offset(plain, country)


@cache
def zone_of_country(country: str) -> str | None:
    """The zone of everybody there, or nearly; None for a country that spans several (ISO code)."""
    if country in MAIN:
        return MAIN[country]
    zones = _tables().by_country.get(country, ())
    clocks = {_clock(zone) for zone in zones}
    return zones[0] if len(clocks) == 1 else None


def _of_the_database(plain: str) -> str | None:
    known = _tables().known
    found = known.get(plain.replace(" ", "_").lower())
    if found is not None:
        return found
    return next((zone for each in _IN_TEXT.findall(plain) if (zone := known.get(each.lower())) is not None), None)


def _by_name(name: str, country: str | None) -> str | None:
    for theirs, ours in _HUBSPOT:
        name = name.replace(theirs, ours)
    known, _, cities = _tables()
    short = name.upper().partition("/")[0]  # CET/CEST
    for each in (ABBREVIATIONS.get(country or "", {}), ABBREVIATIONS[""]):
        if short in each:
            return _at_home(each[short], country)
    return (
        known.get(name)
        or NAMED.get(name)
        or WINDOWS.get(_STANDARD.sub("", name))
        or NAMED.get(_STANDARD.sub(" time", name))
        or cities.get(name.replace(" ", "_"))
    )


def _at_home(zone: str, country: str | None) -> str:
    """The country's own zone where its clocks are the same: CET is Berlin's in Germany."""
    home = zone_of_country(country) if country else None
    return home if home is not None and _clock(home) == _clock(zone) else zone


def _clock(zone: str) -> tuple[timedelta | None, ...]:
    return tuple(ZoneInfo(zone).utcoffset(day) for day in _DAYS)


def _with_offset(plain: str, country: str | None) -> str | None:
    """(GMT-08:00) Pacific Time, UTC+2, (UTC+01:00) Amsterdam, Berlin: by the words, else by the offset."""
    bracketed = _IN_BRACKETS.match(plain) or _BEFORE_WORDS.match(plain)
    words = (plain if bracketed is None else plain[bracketed.end() :]).strip(" -,")
    words = words[1:-1] if words.startswith("(") else words
    for each in (words, *words.split(",")) if bracketed is not None or "," in words else ():
        if each.strip() and (found := _by_name(_folded(each.strip()), country)) is not None:
            return found
    if bracketed is not None:
        plain = bracketed[0].strip("()")
    match = _OFFSET.fullmatch(plain.lower())
    if match is None:
        return None
    four = match["four"] or ""
    hours, minutes = int(four[:2] or match["hours"]), int(four[2:] or match["minutes"] or 0)
    if hours > _FARTHEST or minutes not in (0, 30, 45):
        return None
    sign = "+" if match["sign"] == "+" else "-"
    offset = timedelta(hours=hours, minutes=minutes) * (1 if sign == "+" else -1)
    home = zone_of_country(country) if country else None
    if home is not None and offset in _clock(home):
        return home
    if minutes:
        return HALVES.get(f"{sign}{hours:02}:{minutes:02}")
    return "Etc/UTC" if not hours else f"Etc/GMT{'-' if sign == '+' else '+'}{hours}"  # POSIX counts the other way


class _Tables(NamedTuple):
    """Of the database: zones by their name in small letters, by country, by city where only one is called so."""

    known: dict[str, str]
    by_country: dict[str, tuple[str, ...]]
    cities: dict[str, str]


@cache
def _tables() -> _Tables:
    folder = files("tzdata.zoneinfo")
    names, links = [], {}
    for line in folder.joinpath("tzdata.zi").read_text(encoding="ascii").splitlines():
        word, *rest = line.split()
        if word == "Z":
            names.append(rest[0])
        elif word == "L":
            links[rest[1]] = rest[0]
    known = {name.lower(): target for name, target in links.items() if "/" in target}  # Japan, GB
    known |= {name.lower(): name for name in (*names, *links) if "/" in name}
    for name in _SHORT:
        known.pop(name, None)
    countries: dict[str, list[str]] = {}
    for line in folder.joinpath("zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            countries.setdefault(country, []).append(zone)
    by_country = {country: tuple(zones) for country, zones in countries.items()}
    return _Tables(known, by_country, _cities(names, links))


def _cities(names: Sequence[str], links: Iterable[str]) -> dict[str, str]:
    cities: dict[str, str] = {}
    for name in (*names, *sorted(links)):
        city = name.rpartition("/")[2].lower()
        if "/" in name and not name.startswith("Etc/"):
            cities.setdefault(city, name)
    twice = Counter(name.rpartition("/")[2].lower() for name in names)
    return {city: zone for city, zone in cities.items() if twice[city] < 2}  # noqa: PLR2004 - one city, not two


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
