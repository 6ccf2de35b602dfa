"""How soon leads are answered, and what the delay cost."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import intervals, queue
from services.scoring.domain.responses import EDGES_MIN, Bucket, answer, median, within
from tests.unit.scoring.builders import CURVE, MODEL, NOW, Told, a_contact, a_lead, a_touch, after, as_one, minutes


def test_a_lead_is_answered_by_the_first_human_touch_after_its_capture() -> None:
    lead = after(a_contact(), a_lead()).state
    robot = after(lead, a_touch(human=False, at=NOW + minutes(1))).state
    reached = after(robot, a_touch(at=NOW + minutes(7), event="t")).state
    again = after(reached, a_touch(at=NOW + minutes(9), event="u")).state
    assert answer(lead, robot, "ana", MODEL) is None
    assert answer(reached, again, "ana", MODEL) is None
    made = answer(robot, reached, "ana", MODEL)
    assert made is not None
    bucket, sums = made
    assert bucket == Bucket(NOW.date(), "website", "ana", EDGES_MIN.index(10))
    at_once = robot.lead + 200  # what it cost is spent
    assert sums.lost == pytest.approx(at_once * (1 - queue.survival(CURVE, 7)), abs=1)
    assert (sums.answers, sums.squares) == (1, float(sums.lost) ** 2)


def test_a_touch_before_the_capture_answers_nothing() -> None:
    lead = after(a_contact(), a_lead()).state
    assert answer(lead, after(lead, a_touch(at=NOW - minutes(1))).state, "ana", MODEL) is None


@given(st.dictionaries(st.integers(0, len(EDGES_MIN)), st.integers(1, 50)))
def test_half_are_answered_by_the_median(answers: dict[int, int]) -> None:
    half, total = median(answers), sum(answers.values())
    if half is None:
        assert not total or within(answers, EDGES_MIN[-1]) < total / 2
        return
    edge = next(each for each in EDGES_MIN if each >= half)
    assert within(answers, edge) >= total / 2
    assert all(within(answers, each) <= total / 2 for each in EDGES_MIN if each < half)


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_share_lies_in_its_interval(hits: int, more: int) -> None:
    found = intervals.share(hits, hits + more)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12
    assert found.high <= 1


def test_intervals_as_published() -> None:
    value, low, high = intervals.share(10, 100)  # Wilson, 95 %: 5.52 % to 17.44 %
    assert (value, round(low, 4), round(high, 4)) == (0.1, 0.0552, 0.1744)
    value, low, high = intervals.mean(10.0, 30.0, 4)  # 2.5, variance of the sample 5 / 3
    assert value == 2.5
    assert high - low == pytest.approx(2 * 3.1824 * math.sqrt(5 / 3 / 4))
    assert intervals.mean(7.0, 49.0, 1) == (7.0, -math.inf, math.inf), "one value says nothing of others"
    assert intervals.mean(0, 0, 0) == (0, 0, 0)


@pytest.mark.parametrize(
    ("of", "quantile"), [(2, 12.7062), (8, 2.3646), (9, 2.3060), (11, 2.2281), (31, 2.0423), (121, 1.9799)]
)
def test_the_interval_of_a_mean_is_student_s(of: int, quantile: float) -> None:
    values = [float(n % 2) for n in range(of)]
    middle, _, high = intervals.mean(sum(values), sum(values), of)
    spread = math.sqrt(sum((each - middle) ** 2 for each in values) / (of - 1) / of)
    assert (high - middle) / spread == pytest.approx(quantile, abs=1e-3)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_who_was_called_in_vain_is_answered_and_waits_until_reached(order: tuple[int, int]) -> None:
    lead = after(a_contact(), a_lead()).state
    calls = [
        a_touch(outcome="attempted", at=NOW + minutes(7), event="vain"),
        a_touch(at=NOW + minutes(20), event="reached"),
    ]
    tried = after(lead, calls[0]).state
    assert (tried.waits, tried.unanswered, tried.worth is not None) == (True, False, True)
    assert answer(lead, tried, "ana", MODEL) is not None, "how soon we were, whether or not anybody was there"
    both = after(lead, *(calls[n] for n in order)).state
    assert (both.waits, both.worth) == (False, None)
    assert answer(tried, both, "ana", MODEL) is None
    asked_again = after(both, a_lead(at=NOW + minutes(30), event="again")).state
    assert asked_again.waits
    assert after(asked_again, a_touch(outcome="attempted", at=NOW + minutes(31), event="vain again")).state.waits


def test_a_touch_that_an_earlier_release_kept_without_its_outcome_reached_somebody() -> None:
    lead = after(a_contact(), a_lead(), a_touch(at=NOW + minutes(7))).state
    old = msgspec.structs.replace(lead, reached=None)
    assert not old.waits
    assert not after(old, a_touch(outcome="attempted", at=NOW + minutes(9), event="vain")).state.waits
    merged = as_one(Told(old), after(a_contact("b"), a_touch(outcome="attempted", at=NOW + minutes(9), event="b")))
    assert not merged.state.waits
