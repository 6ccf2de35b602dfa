"""Countries and time zones in the words of people and programs."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.places.countries import country_code
from shared.places.zone_names import ABBREVIATIONS, HALVES, MAIN, NAMED, WINDOWS
from shared.places.zones import zone_named, zone_of_country

ZONES = [
    ("europe/berlin", None, "Europe/Berlin"), ("'America/New_York'", None, "America/New_York"), ("Japan", None, "Asia/Tokyo"),
    ("PST8PDT", None, "America/Los_Angeles"), ("America/New York", None, "America/New_York"), ("Poland", None, "Europe/Warsaw"),
    # Rails: ActiveSupport::TimeZone, by name and as it is shown
    ("Pacific Time (US & Canada)", None, "America/Los_Angeles"), ("(GMT-08:00) Pacific Time (US & Canada)", None, "America/Los_Angeles"),
    ("Berlin", None, "Europe/Berlin"), ("Brasilia", None, "America/Sao_Paulo"), ("Kyiv", None, "Europe/Kyiv"),
    # Windows: names, and as Outlook shows them
    ("W. Europe Standard Time", None, "Europe/Berlin"), ("Eastern Daylight Time", None, "America/New_York"),
    ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", None, "Europe/Amsterdam"),
    # HubSpot's hs_timezone, Salesforce's TimeZoneSidKey as it is shown
    ("us_slash_pacific", None, "US/Pacific"), ("europe_slash_berlin", None, "Europe/Berlin"), ("etc_slash_gmt_plus_1", None, "Etc/GMT+1"),
    ("america_slash_port_hyphen_au_hyphen_prince", None, "America/Port-au-Prince"),
    ("(GMT-08:00) Pacific Standard Time (America/Los_Angeles)", None, "America/Los_Angeles"),
    # Offsets
    ("+02:00", None, "Etc/GMT-2"), ("UTC+2", "DE", "Europe/Berlin"), ("GMT-0500", "DE", "Etc/GMT+5"), ("+05:30", None, "Asia/Kolkata"),
    ("UTC", None, "Etc/UTC"), ("UTC+0", None, "Etc/UTC"), ("+99:00", None, None), ("+02:10", None, None),
    # Abbreviations
    ("EST", None, None), ("EST", "US", "America/New_York"), ("est", "AU", "Australia/Sydney"), ("EST", "DE", None),
    ("IST", "IN", "Asia/Kolkata"), ("IST", "IE", "Europe/Dublin"), ("CET", "PL", "Europe/Warsaw"), ("MESZ", None, "Europe/Berlin"),
    # As pages and files write them: escaped, with blanks, a city behind the offset, two abbreviations, in the language
    ("Europe\\/Berlin", None, "Europe/Berlin"), ("Europe / Berlin", None, "Europe/Berlin"), ("W.Europe Standard Time", None, "Europe/Berlin"),
    ("Pacific Time (US &amp; Canada)", None, "America/Los_Angeles"), ("GMT+2 (Athens)", None, "Europe/Athens"),
    ("UTC +02:00 Athens", None, "Europe/Athens"), ("CET/CEST", "PL", "Europe/Warsaw"), ("Amsterdam, Berlin, Bern", None, "Europe/Amsterdam"),
    ("heure normale d\u2019Europe centrale", None, "Europe/Paris"), ("Mitteleuropäische Sommerzeit", None, "Europe/Berlin"),
    ("Wien", None, "Europe/Vienna"), ("-0300", None, "Etc/GMT+3"), ("-300", None, None), ("300", None, None), ("-18000", None, None),
    ("Mars", None, None), ("", None, None), ("Factory", None, None),
]  # fmt: skip
COUNTRIES = [
    ("de", "DE"), ("DEU", "DE"), ("Germany", "DE"), ("Deutschland", "DE"), ("Allemagne", "DE"), ("Alemania", "DE"), ("Germania", "DE"),
    ("Duitsland", "DE"), ("Alemanha", "DE"), ("Niemcy", "DE"), ("Germany (DE)", "DE"), ("United States (US)", "US"), ("U.S.A.", "US"),
    ("uk", "GB"), ("U.K.", "GB"), ("Großbritannien", "GB"), ("Korea, Republic of", "KR"), ("Schweiz / Suisse", "CH"),
    ("Países Bajos", "NL"), ("Czechy", "CZ"), ("Türkiye", "TR"), ("Russian Federation", "RU"), ("EL", "GR"),
    # At home, by flag, by what stood on old forms; a name with a comma is a whole one
    ("Россия", "RU"), ("日本", "JP"), ("Ελλάδα", "GR"), ("Sverige", "SE"), ("Česko", "CZ"), ("🇩🇪", "DE"),
    ("🇩🇪 Germany", "DE"), ("Germany/Deutschland", "DE"), ("GER", "DE"), ("Virgin Islands, U.S.", "VI"),
    ("Slovak Republic", "SK"), ("DR Congo", "CD"), ("🇩", None),
    ("Atlantis", None), ("XX", None), ("", None), ("California", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "country", "zone"), ZONES)
def test_zones(text: str, country: str | None, zone: str | None) -> None:
    assert zone_named(text, country) == zone


@pytest.mark.parametrize(("text", "code"), COUNTRIES)
def test_countries(text: str, code: str | None) -> None:
    assert country_code(text) == code


def test_the_zone_of_a_country_is_that_of_nearly_everybody_there() -> None:
    found = {code: zone_of_country(code) for code in ("DE", "GB", "ES", "NL", "US", "CA", "AU", "BR", "RU", "XX")}
    assert found == {
        "DE": "Europe/Berlin", "GB": "Europe/London", "ES": "Europe/Madrid", "NL": "Europe/Amsterdam",
        **dict.fromkeys(("US", "CA", "AU", "BR", "RU", "XX")),
    }  # fmt: skip


@given(st.sampled_from(sorted(name for name in available_timezones() if "/" in name)), st.booleans())
def test_every_zone_of_the_database_is_itself_however_it_is_written(name: str, blanks: bool) -> None:
    written = name.lower().replace("_", " ") if blanks else name.upper()
    assert zone_named(written) == name


def test_every_name_of_ours_leads_to_a_zone_with_a_clock() -> None:
    named = [zone for by_name in ABBREVIATIONS.values() for zone in by_name.values()]
    for zone in (*NAMED.values(), *WINDOWS.values(), *named, *MAIN.values(), *HALVES.values()):
        assert "/" in zone
        assert datetime(2026, 1, 1, tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset() is not None


@given(st.text(), st.sampled_from([None, "US", "DE"]))
def test_any_text_is_a_zone_with_a_clock_or_none(text: str, country: str | None) -> None:
    zone = zone_named(text, country)
    assert zone is None or ("/" in zone and ZoneInfo(zone))
    country_code(text)
