"""The command `firsthour`. Each command imports what it needs when it runs, so that `--help` is quick."""

import asyncio
import io
import json
import os
import sys
from typing import Annotated, Any, Final

import typer

from services.cli.contacts.erase import erase
from services.cli.contacts.explain import explain
from services.cli.contacts.export import export
from services.cli.contacts.funnel import funnel
from services.cli.contacts.queue import queue
from services.cli.contacts.split import contacts
from services.cli.costs import costs
from services.cli.doctor.command import doctor
from services.cli.importing import import_
from services.cli.models.backtest import backtest
from services.cli.models.command import fit, models
from services.cli.options import AsJson, Config, State, place, settings
from services.cli.recovery.dead_letters import dead_letters
from services.cli.recovery.replay import replay
from services.cli.recovery.resume import resume
from services.cli.recovery.take_up import take_up
from services.cli.status.command import status
from services.cli.tokens import tokens
from shared import log
from shared.db.database_url import forget_libpq
from shared.errors import ConfigurationError, FirsthourError

# What an installation may lack: the top-level name of the module, and what to do.
_LEFT_OUT: Final = {
    "embedded": "this installation has the services only; Kafka and Postgres beside them: "
    "pip install 'firsthour[embedded]'",
    "pyarrow": "this installation cannot write Parquet: pip install 'firsthour[parquet]', or name a file *.csv",
    "numpy": "this installation cannot fit models: pip install 'firsthour[training]'",
}

app = typer.Typer(
    name="firsthour",
    help="Every lead followed up within its first hour: none lost, none contacted twice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
topics_group = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"firsthour {version('firsthour')}")
        raise typer.Exit


@app.callback()
def _program(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Which it is.")
    ] = False,
) -> None:
    """Every lead followed up within its first hour: none lost, none contacted twice."""


def _say(lines: list[str], *, as_json: bool) -> None:
    typer.echo(json.dumps({"done": lines}) if as_json else "\n".join(lines))


@app.command()
def run(config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """Run everything on this machine: Kafka, Postgres, the three services, and a place to see what they send.

    Example: firsthour run
    """
    place(config, state)
    from embedded.supervisor.run import run as run_all
    from embedded.supervisor.run_options import RunOptions
    from services.ingest.config.sources import lead_key
    from shared.settings import load

    options = load(RunOptions)
    raise typer.Exit(asyncio.run(run_all(options, as_json=as_json, lead_key=lead_key(options.config))))


@app.command()
def demo(
    leads: Annotated[int, typer.Option(min=1, max=1000, help="Number of people.")] = 12,
    pace: Annotated[float, typer.Option(min=0.05, max=60, help="Seconds between two people.")] = 2.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people.")] = 1,
    leave: Annotated[bool, typer.Option("--exit", help="Stop after the summary instead of at Ctrl-C.")] = False,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Run everything with sample leads and purchases, and follow each one.

    Example: firsthour demo --leads 20 --pace 1
    """
    place(config, state)
    from demo.stream import Options, Place, show
    from embedded.supervisor.run import run as run_all
    from embedded.supervisor.run_options import RunOptions
    from embedded.supervisor.running import Running
    from shared.settings import load

    async def when_ready(running: Running) -> None:
        place = Place(
            ingest=running.url("ingest"),
            scoring=running.url("scoring"),
            nurture=running.url("nurture"),
            sinks=running.url("sinks"),
            state=running.stack.state,
        )
        await show(place, Options(leads=leads, pace=pace, seed=seed, leave=leave, as_json=as_json))

    raise typer.Exit(asyncio.run(run_all(load(RunOptions), when_ready=when_ready)))


@app.command()
def ingest(
    config: Config = None, state: State = None, worker: Annotated[bool, typer.Option(hidden=True)] = False
) -> None:
    """Run ingest: takes leads, purchases and engagement over HTTP.

    Example: FIRSTHOUR_KAFKA=localhost:9092 firsthour ingest
    """
    place(config, state)
    from services.ingest.app import main as serve
    from services.ingest.settings import IngestSettings
    from shared.settings import load

    raise typer.Exit(serve(load(IngestSettings), worker=worker))


@app.command()
def scoring(config: Config = None, state: State = None) -> None:
    """Run scoring: keeps the value of every lead and customer.

    Example: FIRSTHOUR_DATABASE=postgresql://… firsthour scoring
    """
    place(config, state)
    from services.scoring.app import main as serve
    from services.scoring.settings import ScoringSettings
    from shared.settings import load

    raise typer.Exit(serve(load(ScoringSettings)))


@app.command()
def nurture(config: Config = None, state: State = None) -> None:
    """Run nurture: follow-up workflows, webhooks, e-mails and tasks.

    Example: FIRSTHOUR_DATABASE=postgresql://… firsthour nurture
    """
    place(config, state)
    from services.nurture.app import main as serve
    from services.nurture.settings import NurtureSettings
    from shared.settings import load

    raise typer.Exit(serve(load(NurtureSettings)))


@app.command()
def setup(config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """Make tokens and secrets, migrate the schemas, create the topics. Safe to repeat.

    Example: firsthour setup --state /var/lib/firsthour
    """
    place(config, state)
    from services.cli.setup import set_up

    _say(asyncio.run(set_up(settings())), as_json=as_json)


@app.command()
def migrate(config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """Bring the schemas of scoring and nurture to their newest revision.

    Example: firsthour migrate
    """
    place(config, state)
    from services.cli.setup import migrate_all

    _say(asyncio.run(migrate_all(settings())), as_json=as_json)


@topics_group.callback()
def topics(context: typer.Context, config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """Create the topics that are missing; `take-up` continues where a topic was recreated.

    Example: FIRSTHOUR_TOPIC_REPLICATION=3 firsthour topics
    """
    if context.invoked_subcommand is not None:
        return
    place(config, state)
    from services.cli.setup import make_topics

    _say(asyncio.run(make_topics(settings())), as_json=as_json)


@app.command()
def check(config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """Check the configuration: every problem of every file, each with its file, line and key.

    Example: firsthour check --config config
    """
    place(config, state)
    from services.cli.setup import check_configuration

    given = settings()
    problems: list[Any] = []
    warnings: list[Any] = []
    try:
        warnings = check_configuration(given.config, given.state)
    except ConfigurationError as error:
        problems = error.problems
    else:
        from services.cli.models.unconverted import amounts_without_a_rate

        warnings += asyncio.run(amounts_without_a_rate(given))
    if as_json:
        as_dicts = {
            kind: [{"file": str(p.file), "line": p.line, "key": p.key, "problem": p.problem} for p in found]
            for kind, found in (("problems", problems), ("warnings", warnings))
        }
        typer.echo(json.dumps(as_dicts))
    else:
        for warning in warnings:
            typer.echo(f"warning: {warning}")
        for problem in problems:
            typer.echo(str(problem), err=True)
        if not problems:
            typer.echo(f"{given.config}: no problems")
    raise typer.Exit(1 if problems else 0)


app.command()(backtest)
app.command()(doctor)
app.command("import")(import_)
app.command("funnel")(funnel)
app.command("queue")(queue)
app.command("resume")(resume)
app.command("replay")(replay)
app.command("status")(status)
app.command("erase")(erase)
app.command("explain")(explain)
app.command("export")(export)
app.command("refit")(fit)
app.add_typer(contacts, name="contacts")
app.add_typer(costs, name="costs")
app.add_typer(models, name="models")
app.add_typer(tokens, name="tokens")
topics_group.command("take-up")(take_up)
app.add_typer(topics_group, name="topics")
app.add_typer(dead_letters, name="dead-letters")


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 wrong use."""
    forget_libpq(os.environ)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal with another encoding is no reason to fail
    log.beside_the_output()  # a service that is run here says otherwise
    try:
        app(prog_name="firsthour")
    except ConfigurationError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        sys.exit(1)
    except FirsthourError as error:
        typer.echo(f"firsthour: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        hint = _LEFT_OUT.get((error.name or "").partition(".")[0])
        if hint is None:
            raise
        typer.echo(f"firsthour: {hint}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
