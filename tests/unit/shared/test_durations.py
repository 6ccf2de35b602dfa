# ruff: noqa: DTZ001 - a wall clock's time has no zone
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.durations import Duration, instant, parse_duration, plus, zone_of

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Havana",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "UTC",
]
zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
walls = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1))
lengths = st.builds(Duration, st.integers(0, 400), st.integers(1, 10**6))


@pytest.mark.parametrize(
    ("text", "days", "seconds"),
    [
        ("90s", 0, 90),
        ("60m", 0, 3600),
        ("2m", 0, 120),
        ("2h", 0, 7200),
        ("1h30m", 0, 5400),
        ("1h 30m", 0, 5400),
        ("30d", 30, 0),
        ("2w", 14, 0),
        ("1d12h", 1, 43200),
    ],
)
def test_durations_as_people_write_them(text: str, days: int, seconds: int) -> None:
    assert parse_duration(text) == Duration(days, seconds)


@pytest.mark.parametrize("text", ["", "60", "m", "0m", "-5m", "1.5h", "60 minutes", "1y", "99999d", "5m!", "٣m", "1M"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.integers(0, 999), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_written_duration_has_its_length(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = days * 86_400 + hours * 3600 + minutes * 60 + seconds
    if total:
        assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s").nominal_seconds == total


@given(moments, st.integers(1, 10**7), zones)
def test_hours_and_minutes_are_elapsed_time_in_every_zone(moment: datetime, seconds: int, zone: ZoneInfo) -> None:
    assert plus(moment, Duration(0, seconds), zone) == moment + timedelta(seconds=seconds)


@given(moments, lengths, zones)
def test_adding_goes_forward_and_longer_is_later(moment: datetime, length: Duration, zone: ZoneInfo) -> None:
    later = plus(moment, length, zone)
    assert moment < later < plus(moment, Duration(length.days, length.seconds + 1), zone)
    assert abs(later - moment - timedelta(seconds=length.nominal_seconds)) <= timedelta(hours=25)


def test_a_day_is_a_day_on_the_calendar() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before_spring = datetime(2026, 3, 28, 12, tzinfo=berlin)
    assert plus(before_spring, Duration(1, 0), berlin) == datetime(2026, 3, 29, 10, tzinfo=UTC)  # 23 hours later
    before_autumn = datetime(2026, 10, 24, 12, tzinfo=berlin)
    assert plus(before_autumn, Duration(1, 0), berlin) == datetime(2026, 10, 25, 11, tzinfo=UTC)  # 25 hours later


@given(walls, zones)
def test_the_first_moment_at_which_the_clock_shows_it_or_later(wall: datetime, zone: ZoneInfo) -> None:
    found = instant(wall, zone)
    shown = found.astimezone(zone).replace(tzinfo=None, fold=0)
    assert shown >= wall
    just_before = (found - timedelta(microseconds=1)).astimezone(zone).replace(tzinfo=None, fold=0)
    assert just_before < wall or shown == wall
    if shown == wall:
        assert found == wall.replace(tzinfo=zone, fold=0).astimezone(UTC)  # the first of two


@pytest.mark.parametrize(
    ("zone", "wall", "expected"),
    [
        ("Europe/Berlin", datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),  # shows 03:00
        ("Europe/Berlin", datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # the first
        ("America/Santiago", datetime(2026, 9, 6, 0, 0), datetime(2026, 9, 6, 4, 0, tzinfo=UTC)),  # no midnight
        ("Australia/Lord_Howe", datetime(2026, 10, 4, 2, 15), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ],
)
def test_known_changes_of_the_clock(zone: str, wall: datetime, expected: datetime) -> None:
    assert instant(wall, ZoneInfo(zone)) == expected


@pytest.mark.parametrize("name", [None, "", "EST", "+02:00", "Mars/Olympus", "../../etc/passwd", "Europe/", "a/\0b"])
def test_what_is_no_zone_is_utc(name: str | None) -> None:
    assert zone_of(name) == ZoneInfo("UTC")
