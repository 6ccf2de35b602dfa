"""The fits find the published parameters of CDNOW, and parameters that customers were drawn with."""

import importlib
import warnings
from random import Random
from typing import Any

import numpy as np
import pytest

from services.scoring.domain.customer.purchases import NEW, History, PurchaseModel
from services.scoring.domain.customer.spend import SpendModel
from services.scoring.training.customers.fit import FitFailedError, fit_purchases, fit_spend

# Published (Fader, Hardie, Lee 2005; Batislam et al. 2007; Fader, Hardie 2013), with their log-likelihoods.
PUBLISHED = {"bg": ((0.2426, 4.4135, 0.7929, 2.4258), -9582.43), "mbg": ((0.525, 6.183, 0.891, 1.614), -9582.13)}


@pytest.fixture(scope="module")
def lifetimes() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it was archived in 2020, and is an oracle alone
        importlib.import_module("lifetimes.datasets")
        return importlib.import_module("lifetimes")


@pytest.fixture(scope="module")
def cdnow(lifetimes: Any) -> tuple[Any, Any, Any]:
    data = lifetimes.datasets.load_cdnow_summary()
    return tuple(data[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T"))


@pytest.mark.parametrize("kind", ["bg", "mbg"])
@pytest.mark.parametrize("prior_sd", [None, 1.0])
def test_published_parameters(cdnow: tuple[Any, Any, Any], kind: Any, prior_sd: float | None) -> None:
    found = fit_purchases(*cdnow, kind, prior_sd=prior_sd)
    parameters, likelihood = PUBLISHED[kind]
    assert found.customers == 2357
    assert (found.model.r, found.model.alpha, found.model.a, found.model.b) == pytest.approx(parameters, rel=2e-3)
    assert found.log_likelihood == pytest.approx(likelihood, abs=0.01)


def test_published_spend(lifetimes: Any) -> None:
    data = lifetimes.datasets.load_cdnow_summary_data_with_monetary_value()
    x, mean = (data[name].to_numpy(dtype=float) for name in ("frequency", "monetary_value"))
    found = fit_spend(x, mean, prior_sd=None)
    assert found.customers == 946
    assert (found.model.p, found.model.q, found.model.v) == pytest.approx((6.25, 3.74, 15.44), rel=5e-3)
    assert found.log_likelihood == pytest.approx(-4055.92, abs=0.01)
    assert found.correlation == pytest.approx(np.corrcoef(x[x > 0], mean[x > 0])[0, 1])


def test_predictions_equal_those_of_lifetimes(lifetimes: Any, cdnow: tuple[Any, Any, Any]) -> None:
    oracle = lifetimes.BetaGeoFitter()
    oracle.fit(*cdnow)
    model = PurchaseModel("bg", *(float(oracle.params_[name]) for name in ("r", "alpha", "a", "b")))
    for x, last, age in [(2, 30.43, 38.86), (0, 0.0, 20.0), (26, 30.86, 31.0), (1, 0.14, 38.86)]:
        of = History(x, last, age)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alive = float(np.ravel(oracle.conditional_probability_alive(x, last, age))[0])
            expected = float(np.ravel(oracle.conditional_expected_number_of_purchases_up_to_time(39, x, last, age))[0])
        assert model.p_alive(of) == pytest.approx(alive, abs=1e-9)
        assert model.expected(of, 39) == pytest.approx(expected, rel=1e-8)


def drawn(model: PurchaseModel, count: int, age: float, dice: Random) -> tuple[Any, Any, Any]:
    """Customers of this population, watched for `age` weeks since their first purchase."""
    rows = []
    for _ in range(count):
        rate, leaves = dice.gammavariate(model.r, 1 / model.alpha), dice.betavariate(model.a, model.b)
        x, last, clock = 0, 0.0, 0.0
        gone = model.kind == "mbg" and dice.random() < leaves
        while not gone:
            clock += dice.expovariate(rate)
            if clock > age:
                break
            x, last = x + 1, clock
            gone = dice.random() < leaves
        rows.append((x, last, age))
    frequency, recency, ages = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return frequency, recency, ages


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (PurchaseModel("bg", 0.6, 8.0, 0.9, 2.5), 4000),
        (PurchaseModel("mbg", 1.2, 6.0, 0.8, 3.0), 4000),
        (PurchaseModel("mbg", 1.2, 6.0, 0.8, 3.0), 21_000),  # in cells
    ],
)
def test_the_population_that_was_drawn_comes_back(model: PurchaseModel, count: int) -> None:
    found = fit_purchases(*drawn(model, count, 60.0, Random(3)), model.kind)
    assert found.model.expected(NEW, 52) == pytest.approx(model.expected(NEW, 52), rel=0.06)
    assert found.model.r == pytest.approx(model.r, rel=0.2)


@pytest.mark.parametrize("count", [3000, 40_000])
def test_the_spend_that_was_drawn_comes_back(count: int) -> None:
    model, dice = SpendModel(4.0, 3.5, 20.0), Random(5)
    x = np.array([dice.randint(0, 6) for _ in range(count)], dtype=float)
    mean = np.array([model.draw(0, 0.0, int(each), dice) / each if each else 0.0 for each in x])
    found = fit_spend(x, mean)
    assert found.model.mean == pytest.approx(model.mean, rel=0.04)
    assert found.customers == int((x > 0).sum())


@pytest.mark.parametrize("kind", ["bg", "mbg"])
def test_ten_customers_do_not_blow_up(kind: Any) -> None:
    x, last, age = np.array([(0, 0, 10 + n) for n in range(8)] + [(1, 4, 12), (3, 9, 11)], dtype=float).T
    model = fit_purchases(x, last, age, kind).model
    assert 0 < model.expected(NEW, 156) < 20
    assert all(1e-3 < each < 1e3 for each in (model.r, model.alpha, model.a, model.b))


def test_a_million_customers_are_as_good_as_five_hundred() -> None:
    """The slope of their likelihood is two thousand times as steep at the same distance from the top."""
    x, last, age = drawn(PurchaseModel("bg", 0.25, 1.8, 1.5, 8.3), 500, 60.0, Random(11))
    alone = fit_purchases(x, last, age, "bg", prior_sd=None)
    crowd = fit_purchases(np.tile(x, 2000), np.tile(last, 2000), np.tile(age, 2000), "bg", prior_sd=None)
    assert crowd.customers == 1_000_000
    assert crowd.model.expected(NEW, 52) == pytest.approx(alone.model.expected(NEW, 52), rel=0.01)


def test_nobody_leaving_stays_finite() -> None:
    x = np.full(200, 20.0)
    model = fit_purchases(x, np.full(200, 39.9), np.full(200, 40.0), "mbg").model
    assert all(np.isfinite([model.r, model.alpha, model.a, model.b]))


def test_without_a_repeat_purchase_there_is_no_spend_model() -> None:
    with pytest.raises(FitFailedError, match="no customer"):
        fit_spend(np.array([0.0, 2.0]), np.array([0.0, 0.0]))


def test_a_history_that_cannot_be_is_named_by_its_row() -> None:
    with pytest.raises(ValueError, match="row 1"):
        fit_purchases(np.array([0.0, 1.0]), np.array([0.0, 9.0]), np.array([1.0, 5.0]), "bg")
