"""Scores of predictions, held against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.intervals import wilson
from services.scoring.training.evaluation import auc, beats, calibration, evaluate, gains, losses

chances = st.floats(0.0, 1.0)
pairs = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]) | chances, st.integers(0, 1)), min_size=2, max_size=60)


@given(pairs)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[float, int]]) -> None:
    won = [chance for chance, outcome in rows if outcome]
    lost = [chance for chance, outcome in rows if not outcome]
    predicted, outcome = np.array(rows, dtype=float).T
    if not won or not lost:
        assert auc(predicted, outcome) == 0.5
    else:
        right = sum((a > b) + (a == b) / 2 for a in won for b in lost)
        assert auc(predicted, outcome) == pytest.approx(right / (len(won) * len(lost)))


@given(pairs)
def test_every_row_is_in_one_bin_of_the_calibration(rows: list[tuple[float, int]]) -> None:
    predicted, outcome = np.array(rows, dtype=float).T
    bins = calibration(predicted, outcome)
    assert sum(each.count for each in bins) == len(rows)
    assert sum(each.count * each.observed for each in bins) == pytest.approx(outcome.sum())
    assert all(each.low <= each.observed + 1e-12 and each.observed <= each.high + 1e-12 for each in bins)


@given(pairs)
def test_gains_rise_from_none_to_all(rows: list[tuple[float, int]]) -> None:
    predicted, outcome = np.array(rows, dtype=float).T
    shares = [won for _, won in gains(predicted, outcome)]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == pytest.approx(1.0 if outcome.any() else 0.0)


def test_what_is_certain_and_wrong_costs_much_and_is_finite() -> None:
    found = losses(np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.0, 1.0]))
    assert found == pytest.approx([13.8155, 13.8155, 0.0], abs=1e-4)


def test_wilson_as_published() -> None:
    # Newcombe (1998), table I: 81 of 263, 0.2553 to 0.3662.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_true_chances_are_calibrated_and_shifted_ones_are_not() -> None:
    dice = np.random.default_rng(2)
    chance = dice.uniform(0.02, 0.5, 20_000)
    outcome = (dice.random(20_000) < chance).astype(float)
    assert evaluate(chance, outcome).ece < 0.01
    assert evaluate(np.minimum(1.0, chance * 1.5), outcome).ece > 0.1


def test_a_candidate_wins_only_by_more_than_chance() -> None:
    dice = np.random.default_rng(2)
    chance = dice.uniform(0.02, 0.9, 2000)
    outcome = (dice.random(2000) < chance).astype(float)
    blunt = np.full(2000, outcome.mean())
    assert beats(chance, blunt, outcome)
    assert not beats(blunt, chance, outcome)
    assert not beats(chance, chance, outcome)
    assert not beats(chance[:1], blunt[:1], outcome[:1])
