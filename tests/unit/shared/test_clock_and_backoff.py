from datetime import UTC, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import exponential
from shared.clock import id_time, new_id, utc_now


def test_ids_sort_by_the_time_they_were_made_in() -> None:
    before = utc_now()
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [id_time(i) for i in ids] == sorted(id_time(i) for i in ids)
    assert before - timedelta(milliseconds=2) <= id_time(ids[0]) <= utc_now()
    assert all(i.version == 7 for i in ids)
    assert utc_now().tzinfo is UTC


@given(st.integers(0, 200), st.floats(0, 1, exclude_max=True))
def test_waits_grow_and_stay_bounded(attempt: int, jitter: float) -> None:
    wait = exponential(attempt, jitter=jitter, first=0.1, longest=10.0)
    assert 0.05 <= wait <= 10.0
    assert exponential(attempt + 1, jitter=jitter) >= wait
