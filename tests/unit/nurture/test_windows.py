"""A first-hour clock as people see it: how long it has, and whether anybody was too late."""

from datetime import timedelta
from uuid import uuid4

import pytest

from services.nurture.api.schemas import window_out
from shared.clock import utc_now

NOW = utc_now()


@pytest.mark.parametrize(
    ("closes", "stopped", "left", "missed"),
    [
        (5, None, 300.0, False),
        (-5, None, -300.0, True),
        (-5, -6, None, False),
        (-5, -4, None, True),
        (5, -1, None, False),
    ],
)
def test_who_was_late_stays_late(closes: int, stopped: int | None, left: float | None, *, missed: bool) -> None:
    row = {
        "id": uuid4(),
        "contact_id": uuid4(),
        "workflow": "first-hour",
        "window_opened_at": NOW - timedelta(hours=1),
        "window_closes_at": NOW + timedelta(minutes=closes),
        "window_stopped_at": None if stopped is None else NOW + timedelta(minutes=stopped),
        "window_stopped_by": None if stopped is None else "ana",
    }
    shown = window_out(row, NOW)  # type: ignore[arg-type]  # a row is asked by its names alone
    assert (shown.seconds_left, shown.missed) == (left, missed)
