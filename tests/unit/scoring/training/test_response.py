"""The response curve that is learnt: what is known comes back, and little data change little."""

import math
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from services.scoring.config import load_scoring
from services.scoring.domain.model.queue_settings import FittedCurve, QueueSettings, ResponseCurve
from services.scoring.domain.queue import survival
from services.scoring.training.leads.dataset import Answered
from services.scoring.training.response import fit_curve, fit_curves

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DEFAULT = ResponseCurve(0.019, 4.83, 0.876)
ANOTHER = ResponseCurve(0.0, 0.5, 0.169)


def a_past(steepness: float, leads: int, curve: ResponseCurve = DEFAULT, *, level: float = 1.0) -> list[Answered]:
    """Leads of a world in which the curve is so many times as steep; `level`: how far the scorecard is off."""
    dice = random.Random(8)
    past = []
    for _ in range(leads):
        minutes, odds = dice.expovariate(1 / 60), dice.gauss(-1, 1)
        chance = odds + level + math.log(survival(curve.steeper(steepness), minutes))
        past.append(Answered(minutes, odds, dice.random() < expit(chance)))
    return past


@pytest.mark.parametrize("steepness", [0.2, 0.5, 1.0, 1.6])
@pytest.mark.parametrize("level", [0.0, 2.0])
def test_a_known_steepness_comes_back(steepness: float, level: float) -> None:
    fitted = fit_curve(DEFAULT, a_past(steepness, 5000, level=level), NOW)
    assert fitted.low <= steepness <= fitted.high
    assert abs(fitted.steepness - steepness) < 0.25
    assert fitted.enough
    assert (fitted.answers, fitted.made_at) == (5000, NOW)


def test_little_data_say_little() -> None:
    few = [Answered(5.0, -1.0, bought=True), Answered(50.0, -1.0, bought=False)]
    fitted = fit_curve(DEFAULT, few, NOW)
    assert abs(fitted.steepness - 1) < 0.2
    assert fitted.high - fitted.low > 1.5
    assert not fitted.enough
    many_alike = [Answered(5.0, -1.0, bought=n % 3 == 0) for n in range(3000)]
    assert not fit_curve(DEFAULT, many_alike, NOW).enough, "delays that are all the same teach nothing"


def test_the_interval_narrows_with_the_data() -> None:
    widths = [
        fitted.high - fitted.low
        for fitted in (fit_curve(DEFAULT, a_past(0.5, leads), NOW) for leads in (100, 1000, 10_000))
    ]
    assert widths == sorted(widths, reverse=True)


def test_each_curve_has_a_fit_of_its_own_and_none_without_a_purchase() -> None:
    settings = QueueSettings("queue", DEFAULT, 12, {"fair": ANOTHER})
    past = {"": a_past(0.5, 3000), "fair": a_past(1.6, 3000, ANOTHER), "x": [Answered(5.0, 0.0, bought=False)]}
    fitted = fit_curves(past, settings, NOW)
    assert {name: each.set for name, each in fitted.items()} == {"": DEFAULT, "fair": ANOTHER}
    assert fitted[""].steepness < 0.7
    assert fitted["fair"].steepness > 1.2
    assert fit_curves(past, settings, NOW) == fitted


@given(st.floats(0.02, 4), st.floats(0, 50_000))
def test_a_steeper_curve_begins_at_one_falls_and_leaves_less(steepness: float, minutes: float) -> None:
    for curve in (DEFAULT, ANOTHER):
        mine, steeper = curve.steeper(steepness), curve.steeper(steepness * 1.5)
        assert survival(mine, 0) == pytest.approx(1)
        assert survival(steeper, minutes) <= survival(mine, minutes) + 1e-12
        assert 0 <= mine.phi < 1
    assert DEFAULT.steeper(1.0) == DEFAULT


def a_fit(
    steepness: float = 0.5, *, curve: ResponseCurve = DEFAULT, bought: int = 30, width: float = 0.4
) -> FittedCurve:
    return FittedCurve(curve, steepness, steepness - width / 2, steepness + width / 2, 500, bought, NOW)


def test_a_fit_takes_the_place_of_the_curve_that_it_was_made_beside() -> None:
    settings = QueueSettings("queue", DEFAULT, 12, {"fair": ANOTHER})
    both = settings.with_fitted({"": a_fit(), "fair": a_fit(2.0, curve=ANOTHER)})
    assert both.response == DEFAULT.steeper(0.5)
    assert both.curve("fair") == ANOTHER.steeper(2.0)
    assert both.version == settings.version, "no place in the queue is stored by it"

    for fit in (a_fit(bought=29), a_fit(width=1.01), a_fit(curve=ANOTHER)):
        assert settings.with_fitted({"": fit}).response == DEFAULT
    assert settings.with_fitted({"": a_fit(bought=29)}).fitted, "it is shown all the same"
    assert not settings.with_fitted({"": a_fit(curve=ANOTHER)}).fitted, "it says nothing of this curve"
    assert not settings.with_fitted({"gone": a_fit()}).fitted
    assert replace(settings, learns=False).with_fitted({"": a_fit()}).response == DEFAULT


@pytest.mark.parametrize(("said", "learns"), [("{}", True), ("{learn: false}", False)])
def test_whether_it_learns_is_a_setting(tmp_path: Path, said: str, learns: bool) -> None:
    (tmp_path / "scoring.yaml").write_text(
        f"response: {said}\nsources:\n  default: {{conversion: 0.05}}\n", encoding="utf-8"
    )
    assert load_scoring(tmp_path).queue.learns is learns
