"""`firsthour import`: leads and purchases from a file."""

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from services.cli.options import AsJson, Config, State, place
from services.ingest.domain.sheets.choices import DateOrder, Decimals, Kind

if TYPE_CHECKING:
    from services.ingest.importing.foreseeing import Start

_T = TypeVar("_T")
_WORDS = {"email": "mail", "webhook": "webhook", "task": "task"}


def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or JSON lines, also gzipped.")],
    kind: Annotated[
        Kind | None,
        typer.Option(help="leads or purchases; default: what the columns look like."),
    ] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="email=Kontakt,amount='Total paid'; -Column leaves one out.")
    ] = None,
    source: Annotated[str, typer.Option(help="The source to import it as; its name is part of every event's id.")] = (
        "import"
    ),
    dates: Annotated[DateOrder | None, typer.Option(help="dmy or mdy, where 03/04/2026 may be either.")] = None,
    decimal: Annotated[Decimals | None, typer.Option(help="point or comma, where 1.234 may be either.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of times without one, such as Europe/Berlin.")] = "UTC",
    currency: Annotated[str | None, typer.Option(help="Currency of amounts without one, such as EUR.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Its encoding, such as cp1250, if it is not UTF-8.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be stored, refused and sent.")
    ] = False,
    follow_up: Annotated[
        bool, typer.Option("--follow-up", help="Also follow up rows that do not say when it happened, as of now.")
    ] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Start over, even after an interruption.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, max=64, help="Processes that read; default: one per core.")
    ] = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Import leads or purchases from a file: CSV exports, JSON lines. Safe to repeat; resumes after an interruption.

    It shows how it reads each column, and asks. Rejected rows are written to a file beside it, each with its reason:
    fix them there, and import that file. Exit codes: 0 all taken, 1 not all, 2 not begun.

    Example: firsthour import leads.csv --map email=Kontakt --zone Europe/Berlin
    """
    place(config, state)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", source):
        raise typer.BadParameter("--source: a name of letters, digits, - and _ such as spring-fair")
    from shared import canary

    if source == canary.NAME:
        raise typer.BadParameter("--source: this is the canary's name; choose another")
    from services.ingest.importing.command import Asking, Order, import_file
    from services.ingest.importing.understanding import Question, Wishes
    from services.ingest.settings import IngestSettings
    from shared.settings import load

    def answer(question: Question) -> str | None:
        text = f"{question.text} [{'/'.join(question.choices)}]" if question.choices else question.text
        while True:
            said = _heard(lambda: str(typer.prompt(text, err=True)).strip())
            if said is None or question.accepts(said):
                return said

    asking = Asking(answer, lambda: _heard(lambda: typer.confirm("Import it?", err=True)))
    order = Order(
        file=file,
        source=source,
        wishes=Wishes(kind, tuple(mapping or ()), dates, decimal, currency, zone, encoding),
        restart=restart,
        dry_run=dry_run,
        follow_up=follow_up,
        starts=_starts() if dry_run else (),
        as_json=as_json,
        workers=workers,
    )
    if as_json and not (yes or dry_run):
        raise typer.BadParameter("--json asks nothing: say --yes or --dry-run with it")
    raise typer.Exit(import_file(order, None if yes or as_json else asking, load(IngestSettings)))


def _starts() -> "tuple[Start, ...]":
    """What the live workflows would do with a row dated now; nothing if they cannot be read: see `check`."""
    from services.ingest.importing.foreseeing import Start
    from services.nurture.language.compile import load_workflows
    from services.nurture.steps.send import Send
    from shared.errors import ConfigurationError
    from shared.settings import Settings, load

    try:
        workflows = load_workflows(load(Settings).config).by_name.values()
    except ConfigurationError as error:
        typer.echo(f"The workflows cannot be read, so what would be sent is not known: {error}", err=True)
        return ()
    return tuple(
        Start(
            each.name,
            each.trigger.on,
            None if (age := each.trigger.max_age) is None else timedelta(days=age.days, seconds=age.seconds),
            tuple(
                dict.fromkeys(
                    f"{_WORDS[step.target.channel]} {step.target.name}"
                    for step in each.steps.values()
                    if isinstance(step, Send)
                )
            ),
        )
        for each in workflows
    )


def _heard(ask: Callable[[], _T]) -> _T | None:
    """The answer; None when nobody is there. Ctrl-C aborts."""
    try:
        return ask()
    except typer.Abort:
        if sys.stdin.isatty():
            typer.echo("\nNothing was imported.", err=True)
            raise typer.Exit(1) from None
        typer.echo(err=True)  # below the question
        return None
