"""A backtest knows only what was known then, follows a level that drifts, and names what is too good to be true."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from services.scoring.training.evaluation import auc
from services.scoring.training.leads.backtest import backtest_leads


def drifting(count: int, seed: int = 3) -> tuple[dict[str, list[Any]], list[int], Any]:
    dice = np.random.default_rng(seed)
    fit = dice.normal(size=count)
    odds = 0.9 * fit - 1.0 + 2.0 * np.sin(np.arange(count) / count * 9.0)
    outcome = (dice.random(count) < expit(odds)).astype(int)
    return (
        {"fit": [float(each) for each in fit], "word": [str(each) for each in dice.choice(["a", "b"], count)]},
        outcome.tolist(),
        fit,
    )


def test_a_drifting_level_is_followed() -> None:
    columns, outcome, fit = drifting(4000)
    found = backtest_leads(columns, outcome, [float(each) for each in range(4000)])
    frozen = auc(fit, np.array(outcome, dtype=float))  # the true order of leads, with no idea of the time
    assert found.in_time
    assert found.scores.auc > frozen + 0.08
    assert found.scores.ece < 0.04


def test_the_order_of_the_file_does_not_matter() -> None:
    columns, outcome, _ = drifting(800)
    times = [float(each) for each in range(800)]
    forwards = backtest_leads(columns, outcome, times)
    backwards = backtest_leads({name: values[::-1] for name, values in columns.items()}, outcome[::-1], times[::-1])
    assert forwards.scores == backwards.scores


def test_later_outcomes_are_not_known() -> None:
    columns, outcome, _ = drifting(800)
    times = [float(each) for each in range(800)]
    dice = np.random.default_rng(9)
    # A column that tells the outcome of the lead before: known only when outcomes are known at once.
    columns["before"] = ["x", *("won" if each else "lost" for each in outcome[:-1])]
    at_once = backtest_leads(columns, outcome, times)
    other = [each if place < 600 else int(dice.random() < 0.5) for place, each in enumerate(outcome)]
    changed = backtest_leads(columns, other, times)
    assert at_once.scores.rows == changed.scores.rows == 800
    # Outcomes that are known 10,000 s later are never known here: every lead gets the same chance.
    never = backtest_leads(columns, outcome, times, matures_s=10_000.0)
    assert never.scores.auc == 0.5


def test_leads_of_one_moment_do_not_know_each_other() -> None:
    outcome = [1, 0] * 200
    found = backtest_leads({"k": ["a"] * 400}, outcome, [0.0] * 400)
    assert found.scores.auc == 0.5
    assert found.scores.brier == pytest.approx(found.scores.brier)


def test_a_planted_leak_is_named_first_and_the_honest_columns_are_not() -> None:
    columns, outcome, _ = drifting(1500)
    dice = np.random.default_rng(1)
    columns["notes"] = ["asked for the contract" if won and dice.random() < 0.9 else None for won in outcome]
    columns["score"] = [float(3 * won + dice.normal()) for won in outcome]
    columns["call duration"] = [float(max(0.0, 60 + 60 * won + 60 * dice.normal())) for won in outcome]
    columns["contract"] = ["c" if won and dice.random() < 0.3 else None for won in outcome]
    columns["marital status"] = ["m" if won or dice.random() < 0.6 else "s" for won in outcome]
    columns["closed on"] = [float(dice.integers(9)) for _ in outcome]
    found = backtest_leads(
        columns,
        outcome,
        None,
        left_out={"id": "names the row (identifier or free text)", "k": "free text"},
        afterwards={"closed on": "lies after the lead's own time in 9 of 9 rows"},
    )
    assert {leak.column for leak in found.leakage} == {"score", "notes", "call duration", "contract", "closed on", "id"}
    assert found.leakage[0].column == "score"
    assert found.leakage[-1].column == "id"
    assert "with c converted" in next(leak.why for leak in found.leakage if leak.column == "contract")
    assert "filled in for 9" in next(leak.why for leak in found.leakage if leak.column == "notes")
    assert found.scores.auc > 0.95


def test_a_leak_is_named_also_where_every_other_row_converted() -> None:
    found = backtest_leads({"a": ["x", "y"] * 60, "b": ["c", "d", "e"] * 40}, [1, 0] * 60, None)
    assert [leak.column for leak in found.leakage] == ["a"]


def test_compared_with_simpler_ways() -> None:
    columns, outcome, fit = drifting(1200)
    times = [float(each) for each in range(1200)]
    found = backtest_leads(columns, outcome, times, scorecard=[float(each) for each in fit])
    assert set(found.compared) == {"base rate", "scorecard alone", "newest first"}
    assert found.compared["scorecard alone"][0] == pytest.approx(auc(fit, np.array(outcome, dtype=float)))
    assert found.compared["newest first"][1] is None
    loss = found.compared["base rate"][1]
    assert loss is not None
    assert found.scores.log_loss < loss


def test_what_a_column_contributes() -> None:
    columns, outcome, _ = drifting(1500)
    found = backtest_leads(columns, outcome, None)
    assert [each.column for each in found.features] == ["fit", "word"]
    assert found.features[0].log_odds > 5 * found.features[1].log_odds
    assert found.features[0].auc > 0.6


def test_one_outcome_alone_is_still_a_backtest() -> None:
    found = backtest_leads({"k": ["a", "b"] * 30}, [0] * 60, [float(each) for each in range(60)])
    assert found.scores.base_rate == 0.0
    assert found.scores.auc == 0.5
