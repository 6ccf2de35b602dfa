"""A batch that fails is repeated in halves, however long it takes to come again."""

import pytest

from shared.kafka.loop.repeats import Repeats


def test_each_repeat_is_half_as_large_until_one_is_settled() -> None:
    repeats = Repeats()
    for most in (1000, 500, 250, 125, 62, 31, 15, 7, 3, 1, 1):
        assert repeats.most(1000) == most
        repeats.nothing_read(at_rest=False)  # it is still on its way
        repeats.failed(batch=True)
    repeats.settled()
    assert repeats.most(1000) == 1000


@pytest.mark.parametrize(("batch", "at_rest", "count"), [(True, False, 2), (True, True, 0), (False, False, 0)])
def test_what_an_empty_read_says(batch: bool, at_rest: bool, count: int) -> None:
    repeats = Repeats()
    repeats.failed(batch=batch)
    repeats.failed(batch=False)
    repeats.nothing_read(at_rest=at_rest)
    assert repeats.count == count


def test_after_a_settled_batch_only_a_batch_that_fails_is_waited_for() -> None:
    repeats = Repeats()
    repeats.failed(batch=True)
    repeats.settled()
    repeats.failed(batch=False)
    repeats.nothing_read(at_rest=False)
    assert repeats.count == 0
