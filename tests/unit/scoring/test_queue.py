"""The published vectors of the response curve and of the queue's index."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.config import load_scoring
from services.scoring.domain import queue
from tests.unit.scoring.builders import CURVE


@pytest.mark.parametrize(
    ("minutes", "left", "places"),
    [
        (0, 1, 9),
        (1, 0.85, 2),
        (5, 0.55, 2),
        (10, 0.39, 2),
        (30, 0.19, 2),
        (60, 0.12, 2),
        (240, 0.05, 2),
        (1440, 0.026, 3),
    ],
)
def test_the_chance_fades_as_published(minutes: float, left: float, places: int) -> None:
    assert round(queue.survival(CURVE, minutes), places) == left


@pytest.mark.parametrize(
    ("preset", "left"),
    [
        ("qualification", (0.80, 0.42, 0.25, 0.078, 0.034, 0.007, 0.003)),
        ("conversion", (0.83, 0.67, 0.60, 0.50, 0.45, 0.35, 0.26)),
        ("default", (0.85, 0.55, 0.39, 0.19, 0.12, 0.05, 0.026)),
    ],
)
def test_the_presets_are_the_published_curves(preset: str, left: tuple[float, ...], tmp_path: Path) -> None:
    settings = "sources: {default: {conversion: 0.1}}\nresponse: {preset: %s}\n"
    (tmp_path / "scoring.yaml").write_text(settings % preset)
    curve = load_scoring(tmp_path).queue.response
    for minutes, share in zip((1, 5, 10, 30, 60, 240, 1440), left, strict=True):
        places = len(str(share)) - 2
        assert queue.survival(curve, minutes) == pytest.approx(share, abs=0.6 * 10**-places)


@pytest.mark.parametrize(
    ("age", "worth", "loss_rate", "index"),
    [
        (0, 200, 35.58, 0.24449),
        (5, 109.08, 9.38, 0.11998),
        (30, 38.56, 0.874, 0.02820),
        (60, 23.97, 0.273, 0.01223),
    ],
)
def test_two_hundred_is_lost_as_published(age: float, worth: float, loss_rate: float, index: float) -> None:
    assert queue.worth(CURVE, 200, age) == pytest.approx(worth, abs=0.005)
    assert queue.loss_rate(CURVE, 200, age) == pytest.approx(loss_rate, abs=0.005)
    assert queue.index(CURVE, 200, age, 12) == pytest.approx(index, abs=0.000005)


@pytest.mark.parametrize(("age", "lost"), [(0, 29.82), (5, 8.57), (30, 0.85), (60, 0.27)])
def test_the_next_minute_costs_as_published(age: float, lost: float) -> None:
    assert queue.worth(CURVE, 200, age) - queue.worth(CURVE, 200, age + 1) == pytest.approx(lost, abs=0.005)


@given(st.floats(-1e4, 1e7), st.floats(0, 1e7))
def test_the_curve_falls_from_one_and_never_below_phi(minutes: float, more: float) -> None:
    now, later = queue.survival(CURVE, minutes), queue.survival(CURVE, minutes + more)
    assert CURVE.phi <= later <= now <= 1


def test_the_order_of_two_leads_changes_with_their_age() -> None:
    def index(at_once: float, age: float) -> float:
        return queue.index(CURVE, at_once, age, 12)

    assert index(1000, 60) > index(50, 0), "the big one first"
    assert index(1000, 600) < index(50, 0), "until it has cooled"


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_a_step_is_five_percent_and_keeps_the_order(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= queue.step(low) <= queue.step(high)
    assert queue.STEP ** queue.step(high) <= max(1.0, high) * (1 + 1e-9)
    assert max(1.0, high) <= queue.STEP ** (queue.step(high) + 1) * (1 + 1e-9)


@given(st.integers(0, 500), st.floats(0, 1e5), st.floats(0, 1e5), st.booleans())
def test_on_one_step_the_newer_never_goes_last(step: int, age: float, more: float, overload: bool) -> None:
    newer = queue.rank(CURVE, step, age, overload=overload)
    assert newer >= queue.rank(CURVE, step, age + more, overload=overload) * (1 - 1e-9)


def test_under_overload_what_is_at_stake_counts_and_not_what_is_about_to_go() -> None:
    cold, fresh = (queue.step(100_000), 600.0), (queue.step(3_000), 0.0)

    def first(*, overload: bool) -> bool:
        return queue.rank(CURVE, *cold, overload=overload) > queue.rank(CURVE, *fresh, overload=overload)

    assert (first(overload=False), first(overload=True)) == (False, True)


@pytest.mark.parametrize(
    ("came", "unreached", "said"), [(49, 49, False), (50, 25, False), (50, 26, True), (1000, 501, True), (0, 0, False)]
)
def test_it_is_overload_when_more_than_half_of_many_were_not_reached(came: int, unreached: int, said: bool) -> None:
    assert queue.overloaded(came, unreached) is said


def test_a_source_may_have_a_curve_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "scoring.yaml").write_text(
        "sources: {default: {conversion: 0.1}}\nresponse: {sources: {fair: {preset: conversion, tau: 2}}}\n"
    )
    model = load_scoring(tmp_path)
    assert model.queue.curve_of("/sources/fair") == "fair"
    assert model.queue.curve_of("/sources/website") == model.queue.curve_of(None) == ""
    assert (model.queue.curve("fair").tau, model.queue.curve("fair").beta) == (2, 0.169)
    assert model.queue.curve("") == model.queue.curve("no longer there") == model.queue.response
