"""The fit of P(conversion): what was put into the data comes out, the unseen counts nothing, plain Python says the same."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from services.scoring.domain.lead.features import Bins, Levels
from services.scoring.training.evaluation import evaluate, losses
from services.scoring.training.leads.choice import fit_leads
from services.scoring.training.leads.design import Table, describe, make_design
from services.scoring.training.leads.fit import fit_weights


def leads(count: int, seed: int = 1) -> tuple[dict[str, list[Any]], Any, Any]:
    dice = np.random.default_rng(seed)
    size = dice.normal(size=count)
    country = dice.choice(["DE", "AT", "FR", "US"], count)
    gone = dice.random(count) < 0.1
    odds = (
        -1.5 + 1.2 * np.sin(size) + np.array([{"DE": 0.8, "AT": 0.0, "FR": -0.8, "US": 0.3}[each] for each in country])
    )
    outcome = (dice.random(count) < expit(odds)).astype(float)
    columns: dict[str, list[Any]] = {
        "size": [None if missing else float(each) for each, missing in zip(size, gone, strict=True)],
        "country": [str(each) for each in country],
        "noise": [float(each) for each in dice.normal(size=count)],
    }
    return columns, outcome, odds


def test_effects_come_out_and_noise_does_not() -> None:
    columns, outcome, odds = leads(6000)
    table, which = Table(columns), np.arange(4000)
    fitted = fit_leads(table, outcome, which)
    rest = np.arange(4000, 6000)
    predicted = expit(fitted.log_odds(table.rows(fitted.design, rest)))
    true = evaluate(expit(odds[rest]), outcome[rest])
    found = evaluate(predicted, outcome[rest])
    # The true odds also know the sizes that the fit is not told.
    assert found.auc > true.auc - 0.03
    assert found.log_loss < true.log_loss + 0.02
    assert found.ece < 0.04
    of = dict(zip(fitted.design.names, fitted.design.places, strict=True))
    country = {level: fitted.weights[place] for level, place in of["country"].items()}
    assert country["DE"] - country["FR"] == pytest.approx(1.6, abs=0.35)
    assert np.abs(fitted.weights[list(of["noise"].values())]).max() < 0.3
    assert fitted.prior[of["noise"]["1"]] < 0.6 * fitted.prior[of["country"]["DE"]], "noise is let move less"


def test_an_interaction_is_found_where_there_is_one_and_else_none() -> None:
    dice = np.random.default_rng(4)
    a, b, c = (dice.choice(["x", "y"], 4000) for _ in range(3))
    odds = np.where(a == b, 1.0, -1.0)
    columns = {"a": a.tolist(), "b": b.tolist(), "c": c.tolist()}
    which = np.arange(4000)
    crossed = (dice.random(4000) < expit(odds)).astype(float)
    fitted = fit_leads(Table(columns), crossed, which)
    assert [(pair.first, pair.second) for pair in fitted.design.pairs] == [("a", "b")]
    apart = (dice.random(4000) < expit(np.where(a == "x", 0.8, -0.8))).astype(float)
    assert not fit_leads(Table(columns), apart, which).design.pairs


def test_what_was_never_seen_counts_nothing() -> None:
    columns, outcome, _ = leads(500)
    table = Table({**columns, "country": [*columns["country"][:-1], "XX"]})
    fitted = fit_leads(table, outcome, np.arange(499))
    rows = table.rows(fitted.design, np.array([499]))
    assert rows[0, list(fitted.design.features).index("country")] == 0
    assert fitted.weights[0] == 0.0


def test_few_outcomes_stay_near_the_base_rate() -> None:
    columns, outcome, _ = leads(40)
    table = Table(columns)
    fitted = fit_leads(table, outcome, np.arange(40))
    predicted = expit(fitted.log_odds(table.rows(fitted.design, np.arange(40))))
    assert predicted.max() < 0.9
    assert predicted.mean() == pytest.approx(outcome.mean(), abs=0.05)


def test_a_scorecard_as_prior_is_where_the_fit_begins() -> None:
    columns, outcome, _ = leads(300)
    table, which = Table({"country": columns["country"]}), np.arange(300)
    design = make_design(table, describe({"country": columns["country"]}), (), which)
    prior = np.zeros(design.size)
    prior[design.places[0]["DE"]] = 3.0
    rows = table.rows(design, which[:0])
    fitted = fit_weights(rows, outcome[:0], design, 0.3 * design.shares, prior=prior)
    assert fitted.weights[design.places[0]["DE"]] == pytest.approx(3.0)


def test_recent_rows_count_more_when_they_are_told_to() -> None:
    columns = {"k": ["a"] * 400}
    outcome = np.array([0.0] * 200 + [1.0] * 200)
    table, which = Table(columns), np.arange(400)
    even = fit_leads(table, outcome, which)
    newer = fit_leads(table, outcome, which, counted=np.array([0.01] * 200 + [1.0] * 200))
    rows = table.rows(even.design, which[:1])
    assert expit(even.log_odds(rows))[0] == pytest.approx(0.5, abs=0.02)
    assert expit(newer.log_odds(rows))[0] > 0.9


def test_levels_in_words() -> None:
    bins = Bins((1.0, 5.0))
    assert [bins.says(bins.level(value)) for value in (0.0, 1.0, 7.5, None, "seven", float("nan"))] == [
        "below 1", "1 to 5", "5 and more", "missing", "missing", "missing",
    ]  # fmt: skip
    assert describe({"n": [1.0, 2.0, 2.0, None], "w": ["a", None, None, None]}) == {
        "n": Bins((2.0,)),
        "w": Levels(frozenset({"a"})),
    }


def test_a_value_that_most_rows_have_leaves_the_others_their_bins() -> None:
    dice = np.random.default_rng(3)
    spent = [0.0] * 1800 + [float(each) for each in dice.lognormal(3, 1, 200)]
    bins = describe({"spent": spent})["spent"]
    assert isinstance(bins, Bins)
    assert bins.level(0.0) == "0"
    assert bins.level(min(spent[1800:])) == "1", "what is spent begins a bin of its own"
    assert len(bins.edges) == 4, "and has as many as there are rows for"


def test_neighbouring_bins_are_alike() -> None:
    dice = np.random.default_rng(6)
    size = dice.uniform(0, 1, 1500)
    odds = 4.0 * (size - 0.5)
    outcome = (dice.random(1500) < expit(odds)).astype(float)
    table, which = Table({"size": [float(each) for each in size]}), np.arange(1500)
    fitted = fit_leads(table, outcome, which)
    (places,) = fitted.design.places
    assert len(places) == 30
    weights = fitted.weights[[places[str(each)] for each in range(30)]]
    assert np.abs(np.diff(weights)).max() < 0.5, "a level of fifty rows alone is off by 0.4 and more"
    assert np.abs(weights - weights.mean() - 4.0 * (np.linspace(0, 1, 30) - 0.5)).mean() < 0.25


def test_of_very_many_columns_each_is_let_move_less() -> None:
    dice = np.random.default_rng(2)
    columns = {f"x{place}": [float(each) for each in dice.normal(size=800)] for place in range(120)}
    outcome = (dice.random(800) < expit(-1.0 + np.array(columns["x0"]))).astype(float)
    table, which, rest = Table(columns), np.arange(400), np.arange(400, 800)
    fitted = fit_leads(table, outcome, which)
    base = np.full(400, outcome[:400].mean())
    assert losses(expit(fitted.of(table, rest)), outcome[rest]).mean() < losses(base, outcome[rest]).mean()
