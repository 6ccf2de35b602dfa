"""`firsthour backtest`: what the models would have predicted for one's own past."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from shared.durations import DAY_S


def backtest(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV of past leads, or of past purchases.")],
    outcome: Annotated[
        str | None, typer.Option(help="Leads: the column that says who converted. Without it the file holds purchases.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(help="The column with the time: leads are then scored with what was known at that time."),
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(help="Leads: a column to leave out; may be given several times.")
    ] = None,
    known_after: Annotated[float, typer.Option(min=0, help="Leads: days until the outcome of a lead is known.")] = 0.0,
    customer: Annotated[str | None, typer.Option(help="Purchases: the column that names the customer.")] = None,
    amount: Annotated[str | None, typer.Option(help="Purchases: the column with the amount.")] = None,
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The HTML report. [backtest-<file>.html, here]")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document, for programs; the report only when named.")
    ] = False,
) -> None:
    """Run the models over your own past, in time order, and say how good they would have been. Needs no service.

    Example: firsthour backtest leads.csv --outcome converted --time created_at
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: its products are small, threads only wait
    from services.scoring.training import report as reports
    from services.scoring.training.customers import backtest as purchases_backtest
    from services.scoring.training.customers import file as purchases_file
    from services.scoring.training.leads import file as leads_file
    from services.scoring.training.reading.sheet import SheetUnusableError

    page = report or (None if as_json else Path(f"backtest-{file.stem}.html"))
    try:
        if outcome is not None:
            hidden = as_json or not sys.stderr.isatty()
            with typer.progressbar(length=100, label="Scoring", file=sys.stderr, hidden=hidden) as bar:
                leads, said = leads_file.backtest_leads_file(
                    file, outcome, time, drop or [], matures_s=known_after * DAY_S,
                    say=lambda done: bar.update(int(100 * done) - bar.pos),
                )  # fmt: skip
            html = reports.leads_page(leads, file.name, said)
            lines, found = reports.leads_lines(leads, said), reports.leads_object(leads, said)
        else:
            orders, said = purchases_file.read_orders(file, customer, time, amount)
            bought = purchases_backtest.backtest_purchases(orders)
            html = reports.purchases_page(bought, file.name, said)
            lines, found = reports.purchases_lines(bought, said), reports.purchases_object(bought, said)
    except (SheetUnusableError, OSError) as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(1) from None
    if page is not None:
        page.write_text(html, encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
    else:
        typer.echo("\n".join([*lines, f"report: {page}"]))
