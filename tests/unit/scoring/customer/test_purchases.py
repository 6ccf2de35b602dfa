"""BG/NBD, MBG/NBD and Gamma-Gamma against the published tables (reference: Fader, Hardie, Lee 2005; Fader, Hardie 2013)."""

from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.customer.purchases import NEW, History, PurchaseModel
from services.scoring.domain.customer.spend import SpendModel

# Published for the CDNOW sample, in weeks; `EXACT` are the digits behind the published table of expected purchases.
BG = PurchaseModel("bg", 0.243, 4.414, 0.793, 2.426)
EXACT = PurchaseModel("bg", 0.2426, 4.4135, 0.7929, 2.4258)
MBG = PurchaseModel("mbg", 0.525, 6.183, 0.891, 1.614)
SPEND = SpendModel(6.25, 3.74, 15.44)
# x, t_x, T, m → BG P(alive), BG E[Y(39)], BG+GG CLV of 12 months at 1 % a month, MBG P(alive), MBG E[Y(39)]
CUSTOMERS = [
    (History(2, 30.43, 38.86), 22.35, 0.7266, 1.2260, 36.21, 0.7062, 1.2630),
    (History(1, 1.71, 38.86), 11.77, 0.2121, 0.2032, 4.63, 0.1708, 0.1888),
    (History(7, 29.43, 38.86), 73.74, 0.6418, 3.3371, 282.94, 0.6227, 3.1676),
    (History(0, 0.0, 38.86), 0.0, 1.0, 0.1951, 8.35, 0.3897, 0.1540),
]


@pytest.mark.parametrize(("of", "mean", "alive", "expected", "clv", "mbg_alive", "mbg_expected"), CUSTOMERS)
def test_published_customers(
    of: History, mean: float, alive: float, expected: float, clv: float, mbg_alive: float, mbg_expected: float
) -> None:
    assert BG.p_alive(of) == pytest.approx(alive, abs=5e-5)
    assert BG.expected(of, 39) == pytest.approx(expected, abs=5e-5)
    assert BG.discounted(of, 12, 0.01) * SPEND.expected(of.x, mean) == pytest.approx(clv, abs=5e-3)
    assert MBG.p_alive(of) == pytest.approx(mbg_alive, abs=5e-5)
    assert MBG.expected(of, 39) == pytest.approx(mbg_expected, abs=5e-5)


@pytest.mark.parametrize(
    ("weeks", "published"), [(0.1429, 0.0078), (1, 0.0532), (3, 0.1506), (31.8571, 1.0405), (32, 1.0437), (78, 1.8576)]
)
def test_published_purchases_of_a_new_customer(weeks: float, published: float) -> None:
    assert EXACT.expected_of_new(weeks) == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize(
    ("x", "mean", "published"),
    [(2, 22.35, 24.65), (1, 11.77, 18.91), (0, 0.0, 35.17), (7, 73.74, 71.46), (2, 25.55, 27.28)],
)
def test_published_spend(x: int, mean: float, published: float) -> None:
    assert SPEND.expected(x, mean) == pytest.approx(published, abs=0.1)


positive = st.floats(0.05, 20.0)
models = st.builds(PurchaseModel, st.sampled_from(["bg", "mbg"]), positive, positive, positive, positive)


@st.composite
def histories(draw: st.DrawFn) -> History:
    x = draw(st.integers(0, 3000))
    age = draw(st.floats(0.0 if x == 0 else 1.0, 520.0))
    return History(x, draw(st.floats(0.01, 1.0)) * age if x else 0.0, age)


@given(models, histories(), st.floats(0.0, 160.0), st.floats(0.0, 160.0))
def test_more_time_never_brings_fewer_purchases(model: PurchaseModel, of: History, weeks: float, more: float) -> None:
    shorter, longer = model.expected(of, weeks), model.expected(of, weeks + more)
    assert 0.0 <= shorter <= longer + 1e-6 * (1 + longer)
    assert longer < float("inf")


@given(models, histories(), st.floats(0.0, 500.0))
def test_who_is_silent_longer_is_less_likely_alive(model: PurchaseModel, of: History, silence: float) -> None:
    now, later = model.p_alive(of), model.p_alive(History(of.x, of.last, of.age + silence))
    assert 0.0 <= later <= now + 1e-12 <= 1.0 + 1e-12


@given(models, histories(), st.integers(1, 36), st.floats(0.0, 0.05))
def test_discounting_never_adds(model: PurchaseModel, of: History, months: int, discount: float) -> None:
    undiscounted = model.expected(of, months * 52 / 12)
    assert model.discounted(of, months, discount) <= undiscounted * (1 + 1e-9) + 1e-9
    assert model.discounted(of, months, 0.0) == pytest.approx(undiscounted, rel=1e-9, abs=1e-9)


@given(models, histories(), st.integers(1, 60), st.floats(0.0, 0.05))
def test_what_is_nearly_discounted_is_within_a_thousandth_part(
    model: PurchaseModel, of: History, months: int, discount: float
) -> None:
    exact = model.discounted(of, months, discount)
    assert model.discounted_nearly(of, months, discount) == pytest.approx(exact, rel=1e-3, abs=1e-9)


def test_beside_a_of_one_the_expectation_is_smooth() -> None:
    of = History(3, 20.0, 30.0)
    around = [PurchaseModel("bg", 0.5, 5.0, a, 2.0).expected(of, 39) for a in (0.9999, 1.0, 1.0001)]
    assert around == pytest.approx([around[1]] * 3, rel=1e-3)


@pytest.mark.parametrize(
    ("x", "last", "age"),
    [(1, 0.0, 3.0), (0, 1.0, 3.0), (1, 4.0, 3.0), (-1, 0.0, 3.0), (1, 1.0, float("nan")), (0, 0.0, float("inf"))],
)
def test_what_cannot_be_is_no_history(x: int, last: float, age: float) -> None:
    with pytest.raises(ValueError, match="no history"):
        History(x, last, age)


@pytest.mark.parametrize("model", [BG, MBG])
@pytest.mark.parametrize("of", [CUSTOMERS[0][0], CUSTOMERS[2][0], CUSTOMERS[3][0], NEW])
def test_draws_have_the_expected_mean(model: PurchaseModel, of: History) -> None:
    dice = Random(7)
    drawn = [model.draw(of, 39.0, dice) for _ in range(20_000)]
    expected = model.expected(of, 39.0)
    assert fmean(drawn) == pytest.approx(expected, rel=0.08)


def test_drawn_spend_has_the_expected_mean() -> None:
    dice = Random(7)
    drawn = [SPEND.draw(7, 73.74, 3, dice) for _ in range(20_000)]
    assert fmean(drawn) == pytest.approx(3 * SPEND.expected(7, 73.74), rel=0.02)
    assert SPEND.draw(7, 73.74, 0, dice) == 0.0
