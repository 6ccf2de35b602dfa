"""`firsthour costs import`: what advertising cost, from the exports of its platforms."""

import json
from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import AsJson, Config, State, place
from services.ingest.domain.sheets.choices import DateOrder, Decimals

costs = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What sources and campaigns cost.")
_SHOWN = 20


@costs.callback()
def _only() -> None:
    """Keeps `import` a command of its own name."""


@costs.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, also gzipped.")],
    source: Annotated[
        str | None, typer.Option(help="Whose leads share it, where no column says so: a UTM source, or one of yours.")
    ] = None,
    per_source: Annotated[
        bool, typer.Option("--per-source", help="Add all campaigns up: every lead of the source shares their cost.")
    ] = False,
    dates: Annotated[DateOrder | None, typer.Option(help="dmy or mdy, where 03/04/2026 may be either.")] = None,
    decimal: Annotated[Decimals | None, typer.Option(help="point or comma, where 1.234 may be either.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the advertising account, such as Europe/Berlin.")] = "UTC",
    currency: Annotated[str | None, typer.Option(help="Currency of amounts without one, such as EUR.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be told.")] = False,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Tell what advertising cost, from a file by day and campaign: Google Ads, Meta, LinkedIn, Microsoft and others.

    Finer rows are added up. Importing a period again replaces what was told of it. Exit codes: 0 all told, 1 some
    rows refused, 2 not begun.

    Example: firsthour costs import google-ads.csv --source google --zone Europe/Berlin
    """
    place(config, state)
    from services.ingest.domain.sheets.columns import NotUnderstood
    from services.ingest.importing.costs import CostWishes, read_costs, send_costs
    from services.ingest.importing.reading import Unreadable
    from services.ingest.settings import IngestSettings
    from shared.clock import new_id, utc_now
    from shared.settings import load

    if as_json and not (yes or dry_run):
        raise typer.BadParameter("--json asks nothing: say --yes or --dry-run with it")
    try:
        found = read_costs(file, CostWishes(source, per_source, dates, decimal, currency, zone))
    except (NotUnderstood, Unreadable) as error:
        typer.echo(f"firsthour costs import: {error}", err=True)
        raise typer.Exit(2) from None
    if not as_json:
        for each in found.told[:_SHOWN]:
            assert each.period_start is not None
            whose = " ".join(filter(None, (each.source, each.campaign))) or "all leads"
            typer.echo(f"{each.period_start:%Y-%m-%d}  {each.amount:>12} {each.currency}  {whose}")
        if len(found.told) > _SHOWN:
            typer.echo(f"… and {len(found.told) - _SHOWN} more")
        for refused in found.refused[:_SHOWN]:
            typer.echo(f"line {refused.line}: {refused.reason}", err=True)
    begun = bool(found.told) and not dry_run and (yes or typer.confirm("Tell these costs?", err=True))
    if begun:
        send_costs(found.told, load(IngestSettings), utc_now(), new_id)
    if as_json:
        told = {"told": len(found.told), "sent": begun, "left_out": found.left_out}
        typer.echo(json.dumps(told | {"refused": [each._asdict() for each in found.refused]}))
    else:
        word = "told" if begun else "not sent"
        typer.echo(f"{len(found.told)} costs {word}, {len(found.refused)} refused, {found.left_out} rows left out")
    raise typer.Exit(1 if found.refused else 0)
