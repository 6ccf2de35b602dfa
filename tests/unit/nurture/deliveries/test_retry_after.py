from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.nurture.channels.webhook.send import seconds_of
from tests.unit.nurture.builders import NOW


@given(st.text(max_size=200) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,12} [A-Z][a-z]{2} \d{1,12} \d+:\d+:\d+ [+-]?\w+"))
@example("Mon, 01 Jan 99999999999 00:00:00 GMT")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("Mon, 01 Jan 2026 00:00:00 +9999999999")
@example("9" * 400)
@example("-1")
@example("\u0662")
def test_whatever_stands_in_the_header_is_seconds_or_nothing(header: str) -> None:
    seconds = seconds_of(header, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120),
        (" 120 ", 120),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_seconds_and_dates_are_read(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header, NOW) == seconds
