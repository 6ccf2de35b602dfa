from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.restarts import FIRST_PAUSE_S, LONGEST_PAUSE_S, WELL_AFTER_S, Restarts


@given(st.lists(st.tuples(st.floats(0, 2 * WELL_AFTER_S), st.floats(0, 1, exclude_max=True)), min_size=1, max_size=40))
def test_pauses_grow_to_a_minute_and_begin_anew_with_what_ran_for_a_while(lives: list[tuple[float, float]]) -> None:
    restarts, before = Restarts(), 0.0
    for ran_s, jitter in lives:
        pause = restarts.died(ran_s=ran_s, jitter=jitter)
        assert 0 < pause <= LONGEST_PAUSE_S
        if ran_s >= WELL_AFTER_S:
            assert restarts.in_a_row == 1
        if restarts.in_a_row == 1:
            assert pause <= FIRST_PAUSE_S
        else:
            assert pause >= before / 2 or pause >= LONGEST_PAUSE_S / 2
        before = pause


def test_there_is_no_last_start() -> None:
    restarts = Restarts()
    assert [restarts.died(ran_s=0.0, jitter=0.999) for _ in range(5000)][-1] < LONGEST_PAUSE_S
