"""Lag in seconds: exact for what is in hand, by when the log grew for what is not."""

from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.loop.lag import Waits
from shared.kafka.records import Record

P = ("events", 0)


def a_record(offset: int, at: float) -> Record:
    return Record("events", 0, offset, None, b"", int(at * 1000))


def test_nothing_waits_when_all_is_read() -> None:
    assert Waits().look({P: 5}, {P: 5}, 100.0) == {P: 0.0}


def test_what_is_in_hand_says_how_old_it_is() -> None:
    waits = Waits()
    waits.read([a_record(5, 40.0), a_record(6, 90.0)])
    assert waits.look({P: 7}, {P: 5}, 100.0) == {P: 60.0}
    waits.settled([a_record(5, 40.0), a_record(6, 90.0)])
    assert waits.look({P: 7}, {P: 7}, 101.0) == {P: 0.0}


def test_what_is_never_fetched_waits_since_it_was_first_seen() -> None:
    waits = Waits()
    waits.look({P: 5}, {P: 5}, 0.0)
    waits.look({P: 6}, {P: 5}, 10.0)
    waits.look({P: 9}, {P: 5}, 20.0)
    assert waits.look({P: 9}, {P: 5}, 70.0) == {P: 60.0}
    assert waits.look({P: 9}, {P: 6}, 70.0) == {P: 50.0}, "the record at 6 came with the second look"


def test_steady_traffic_is_no_lag_that_grows() -> None:
    waits = Waits()
    for look in range(100):
        found = waits.look({P: look + 3}, {P: look}, look * 10.0)
        assert found[P] <= 30.0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=600))
def test_it_is_never_negative_forgets_what_is_consumed_and_stays_small(steps: list[tuple[int, int]]) -> None:
    waits, end, position, now = Waits(), 0, 0, 0.0
    for grown, read in steps:
        now += 10.0
        end += grown
        position = min(end, position + read)
        waited = waits.look({P: end}, {P: position}, now)[P]
        assert 0.0 <= waited <= now
        assert (waited == 0.0) or position < end


def test_of_a_lane_that_stands_still_for_days_little_is_kept_and_its_age_stays_exact() -> None:
    waits = Waits()
    for look in range(1, 2000):
        assert waits.look({P: look}, {P: 0}, look * 10.0) == {P: (look - 1) * 10.0}
    assert sum(map(len, waits._looks.values())) <= 256
