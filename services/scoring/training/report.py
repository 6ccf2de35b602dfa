"""Backtests for people: a self-contained HTML page, and lines for the terminal."""

import math
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.scoring.training.customers.backtest import PurchasesBacktest
from services.scoring.training.leads.backtest import LeadsBacktest

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


def leads_page(test: LeadsBacktest, file: str, said: Sequence[str]) -> str:
    """The page of a lead backtest. Everything from the file is escaped."""
    top = max([0.05, *(max(each.high, each.predicted) for each in test.scores.calibration)])
    return _PAGES.get_template("leads.html").render(
        test=test,
        file=file,
        said=said,
        top=top,
        x=lambda share: f"{100 * share / top:.2f}",
        y=lambda share: f"{100 - 100 * share / top:.2f}",
        times=math.exp,
        widest=max([1e-9, *(share.log_odds for share in test.features)]),
    )


def leads_lines(test: LeadsBacktest, said: Sequence[str]) -> list[str]:
    scores = test.scores
    lines = [
        f"{scores.rows} leads, {test.positives} converted ({100 * scores.base_rate:.1f} %)"
        + (
            ", each scored with what was known when it came"
            if test.in_time
            else ", by cross-validation (no time column)"
        ),
        "",
        f"{'':18}{'AUC':>8}{'log loss':>10}",
        f"{'the model':18}{scores.auc:8.4f}{scores.log_loss:10.4f}",
    ]
    for name, (area, loss) in test.compared.items():
        lines.append(f"{name:18}{area:8.4f}" + (f"{loss:10.4f}" if loss is not None else ""))
    fifth = next((won for share, won in test.gains if share >= 0.2), 0.0)  # noqa: PLR2004 - what is worked first
    goes_by = ", ".join(f"{each.column} (×{math.exp(each.log_odds):.2f})" for each in test.features[:8])  # noqa: RUF001
    lines += [
        "",
        f"Brier {scores.brier:.4f}, calibration error {scores.ece:.4f}",
        f"the best fifth of the leads holds {100 * fifth:.0f} % of the conversions",
        f"goes by: {goes_by}",
    ]
    if test.leakage:
        lines += ["", "May hold what was known only afterwards; if so, leave it out with --drop:"]
        lines += [f"  {leak.column}: {leak.why}" for leak in test.leakage]
    return [*lines, "", *(f"read: {line}" for line in said)]


def leads_object(test: LeadsBacktest, said: Sequence[str]) -> dict[str, object]:
    """The same, for programs."""
    scores = test.scores
    return {
        "kind": "leads",
        "rows": scores.rows,
        "positives": test.positives,
        "in_time_order": test.in_time,
        "base_rate": scores.base_rate,
        "auc": scores.auc,
        "log_loss": scores.log_loss,
        "brier": scores.brier,
        "ece": scores.ece,
        "calibration": [
            {
                "count": each.count,
                "predicted": each.predicted,
                "observed": each.observed,
                "low": each.low,
                "high": each.high,
            }
            for each in scores.calibration
        ],
        "gains": [{"leads": share, "conversions": won} for share, won in test.gains],
        "compared": {name: {"auc": area, "log_loss": loss} for name, (area, loss) in test.compared.items()},
        "features": [{"column": each.column, "log_odds": each.log_odds, "auc": each.auc} for each in test.features],
        "leakage": [{"column": each.column, "why": each.why, "auc": each.auc} for each in test.leakage],
        "read": list(said),
    }


def purchases_page(test: PurchasesBacktest, file: str, said: Sequence[str]) -> str:
    """The page of a purchase backtest. Everything from the file is escaped."""
    widest = max([1e-9, *(max(each.predicted_purchases, each.actual_purchases) for each in test.groups)])
    return _PAGES.get_template("purchases.html").render(test=test, file=file, said=said, widest=widest, ratio=_ratio)


def _ratio(predicted: float, actual: float) -> str:
    return f"{predicted / actual:.2f}" if actual else ""


def purchases_lines(test: PurchasesBacktest, said: Sequence[str]) -> list[str]:
    lines = [
        f"{test.orders} purchases; seen until {test.split}: {test.customers} customers; then {test.weeks:.0f} weeks",
        "",
        f"{'':18}{'predicted':>12}{'came':>12}",
        f"{'purchases':18}{test.predicted_purchases:12.0f}{test.actual_purchases:12d}   (±{test.purchases_off:.0f})",
        f"{'value':18}{test.predicted_value:12.2f}{test.actual_value:12.2f}   (±{test.value_off:.2f})",
        f"{100 * test.covered:.0f} % of the customers bought as often as the 90 % interval of each allows",
        "",
        f"{'repeat purchases':18}{'customers':>12}{'predicted':>12}{'came':>12}   (purchases of one customer)",
    ]
    lines += [
        f"{each.repeats:18}{each.customers:12d}{each.predicted_purchases:12.2f}{each.actual_purchases:12.2f}"
        for each in test.groups
    ]
    return [*lines, "", *(f"read: {line}" for line in said)]


def purchases_object(test: PurchasesBacktest, said: Sequence[str]) -> dict[str, object]:
    """The same, for programs."""
    model, spend = test.purchases.model, test.spend
    return {
        "kind": "purchases",
        "rows": test.orders,
        "customers": test.customers,
        "split": test.split.isoformat(),
        "holdout_weeks": test.weeks,
        "purchases": {
            "predicted": test.predicted_purchases,
            "actual": test.actual_purchases,
            "interval": test.purchases_off,
        },
        "value": {"predicted": test.predicted_value, "actual": test.actual_value, "interval": test.value_off},
        "covered": test.covered,
        "repeat_purchases_of_new": test.of_new,
        "mean_absolute_error": test.mean_error,
        "model": {"kind": model.kind, "r": model.r, "alpha": model.alpha, "a": model.a, "b": model.b},
        "spend": None
        if spend is None
        else {"p": spend.model.p, "q": spend.model.q, "v": spend.model.v, "correlation": spend.correlation},
        "groups": [
            {
                "repeats": each.repeats,
                "customers": each.customers,
                "purchases": {"predicted": each.predicted_purchases, "actual": each.actual_purchases},
                "value": {"predicted": each.predicted_value, "actual": each.actual_value},
            }
            for each in test.groups
        ],
        "read": list(said),
    }
