"""Where a contact is, as far as is known: the ISO code of its country, and its time zone."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from services.scoring.domain.model.model import Home
from shared.places.countries import country_code
from shared.places.zones import zone_named, zone_of_country

_LONGEST = 64  # characters of a country or a time zone; what is longer is a trait and nothing else


class Place(NamedTuple):
    """`country` as it was said when it is no known one; `time_zone` is always one of the database's."""

    country: str | None
    time_zone: str | None


def place_of(traits: Mapping[str, Any], home: Home) -> Place:
    """By the contact's own zone, else that of its country, else that of the business (`home`)."""
    said, zone = _text(traits.get("country")), _text(traits.get("time_zone"))
    known = country_code(said) if said else None
    country = known or (None if said else home.country)
    found = zone_named(zone, country) if zone else None
    return Place(known or said, found or (zone_of_country(known) if known else None) or home.time_zone)


def country_said(said: object) -> str | None:
    """The ISO code of the country that was said; the text itself when it is no known one."""
    text = _text(said)
    return (country_code(text) or text) if text else None


def not_known(traits: Mapping[str, Any], home: Home) -> tuple[str, ...]:
    """Which of country and time zone was said in unknown words."""
    said, zone = _text(traits.get("country")), _text(traits.get("time_zone"))
    country = country_code(said) if said else home.country
    missing = [] if not said or country else ["country"]
    return (*missing, "time_zone") if zone and zone_named(zone, country) is None else tuple(missing)


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) and len(value) <= _LONGEST else None
