# ruff: noqa: DTZ001 - a wall clock's time has no zone
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.nurture.domain.quiet_hours import after_quiet_hours
from services.nurture.domain.workflow import QuietHours

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(time(21), time(8))
NOON = QuietHours(time(12), time(13, 30))


@pytest.mark.parametrize(
    ("quiet", "at", "expected"),
    [
        (NIGHT, datetime(2026, 3, 2, 20, 59), datetime(2026, 3, 2, 20, 59)),
        (NIGHT, datetime(2026, 3, 2, 21, 0), datetime(2026, 3, 3, 8, 0)),
        (NIGHT, datetime(2026, 3, 3, 7, 59), datetime(2026, 3, 3, 8, 0)),
        (NIGHT, datetime(2026, 3, 3, 8, 0), datetime(2026, 3, 3, 8, 0)),
        (NIGHT, datetime(2026, 3, 28, 23, 0), datetime(2026, 3, 29, 8, 0)),  # the night of the change
        (NOON, datetime(2026, 3, 2, 12, 30), datetime(2026, 3, 2, 13, 30)),
        (NOON, datetime(2026, 3, 2, 14, 0), datetime(2026, 3, 2, 14, 0)),
    ],
)
def test_berlin(quiet: QuietHours, at: datetime, expected: datetime) -> None:
    assert after_quiet_hours(at.replace(tzinfo=BERLIN), quiet, BERLIN) == expected.replace(tzinfo=BERLIN).astimezone(
        UTC
    )


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.times(),
    st.times(),
    st.sampled_from(["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "UTC"]).map(ZoneInfo),
)
def test_never_earlier_never_more_than_a_day(moment: datetime, start: time, end: time, zone: ZoneInfo) -> None:
    assume(start != end)
    until = after_quiet_hours(moment, QuietHours(start, end), zone)
    assert moment <= until <= moment + timedelta(hours=26)
