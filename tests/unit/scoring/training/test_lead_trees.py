"""What three columns say only together is found by trees, and nothing is where they say nothing together."""

from typing import Any

import numpy as np
from scipy.special import expit

from services.scoring.training.evaluation import auc, losses
from services.scoring.training.leads.choice import fit_leads
from services.scoring.training.leads.design import Table


def leads(count: int, seed: int = 8) -> tuple[dict[str, list[Any]], Any, Any]:
    """Good are those from a fair whose team is large and whose budget is known to be high; a number and a word besides."""
    dice = np.random.default_rng(seed)
    source = dice.choice(["fair", "ad", "mail", "search"], count)
    team, budget, age = dice.uniform(0, 100, count), dice.lognormal(0, 1, count), dice.normal(size=count)
    odds = -1.5 + 0.5 * age + 3.0 * ((source == "fair") & (team > 30) & (budget > 0.7))
    outcome = (dice.random(count) < expit(odds)).astype(float)
    columns: dict[str, list[Any]] = {
        "source": [str(each) for each in source],
        "team": [float(each) for each in team],
        "budget": [float(each) for each in budget],
        "age": [float(each) for each in age],
    }
    return columns, outcome, odds


def test_three_columns_together() -> None:
    columns, outcome, odds = leads(9000)
    table, which, rest = Table(columns), np.arange(6000), np.arange(6000, 9000)
    fitted = fit_leads(table, outcome, which)
    assert fitted.trees is not None
    found = fitted.of(table, rest)
    assert auc(found, outcome[rest]) > auc(odds[rest], outcome[rest]) - 0.02
    tokens = fitted.log_odds(table.rows(fitted.design, rest))
    assert losses(expit(found), outcome[rest]).mean() < losses(expit(tokens), outcome[rest]).mean()
    again = fit_leads(table, outcome, which)
    assert np.array_equal(again.of(table, rest), found), "the same rows give the same bits"


def test_where_columns_add_up_few_trees_are_grown() -> None:
    columns, _, _ = leads(4000)
    dice = np.random.default_rng(1)
    odds = -1.0 + 1.0 * np.array(columns["age"]) + 0.8 * (np.array(columns["source"]) == "fair")
    outcome = (dice.random(4000) < expit(odds)).astype(float)
    table, which, rest = Table(columns), np.arange(3000), np.arange(3000, 4000)
    fitted = fit_leads(table, outcome, which)
    assert (
        losses(expit(fitted.of(table, rest)), outcome[rest]).mean() < losses(expit(odds), outcome)[3000:].mean() + 0.01
    )


def test_words_that_were_never_seen_are_asked_for_as_rare_ones() -> None:
    columns, outcome, _ = leads(3001)
    columns["source"][-1] = "never heard of"
    table = Table(columns)
    fitted = fit_leads(table, outcome, np.arange(3000))
    assert np.isfinite(fitted.of(table, np.array([3000]))).all()
    assert fitted.trees is not None
    assert fitted.trees.asked.levels(table, np.array([3000]))[0, 0] == 0
