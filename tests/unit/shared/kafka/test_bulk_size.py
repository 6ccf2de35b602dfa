"""A live record waits for the bulk batch under way: so these are small while live ones come in."""

from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.loop.bulk_size import BulkSize

_SECONDS = st.floats(0.0001, 60)


def test_before_anything_was_read_a_batch_is_as_long_as_it_may_be() -> None:
    assert BulkSize(500).records(0.0) == 500


@given(most=st.integers(1, 5000), bulk=st.integers(1, 5000), took=_SECONDS)
def test_while_nothing_live_comes_in_too(most: int, bulk: int, took: float) -> None:
    size = BulkSize(most)
    size.settled(live=0, bulk=bulk, took=took, now=10.0)
    assert size.records(10.0) == most


@given(most=st.integers(1, 5000), bulk=st.integers(1, 5000), took=_SECONDS, later=st.floats(0, 4.9))
def test_while_live_ones_come_in_a_batch_takes_25_ms_or_is_small(
    most: int, bulk: int, took: float, later: float
) -> None:
    size = BulkSize(most)
    size.settled(live=1, bulk=0, took=0.003, now=100.0)
    size.settled(live=0, bulk=bulk, took=took, now=100.1)
    records = size.records(100.0 + later)
    assert 1 <= records <= most
    assert records <= 20 or records * took / bulk <= 0.0251
    assert records in (20, most) or (records + 1) * took / bulk > 0.0249  # nor is it smaller than it need be


def test_five_seconds_without_a_live_one_end_it() -> None:
    size = BulkSize(500)
    size.settled(live=3, bulk=100, took=0.103, now=100.0)
    assert [size.records(now) for now in (100.0, 104.9, 105.1)] == [25, 25, 500]


def test_a_live_batch_says_nothing_about_what_bulk_ones_take() -> None:
    size = BulkSize(500)
    size.settled(live=1, bulk=0, took=1.0, now=100.0)
    assert size.records(100.0) == 500
    size.settled(live=0, bulk=100, took=0.05, now=100.5)
    size.settled(live=1, bulk=0, took=1.0, now=101.0)
    assert size.records(101.0) == 50
