"""`firsthour topics take-up`: go on in a topic that was made anew, or behind what Kafka has dropped."""

import asyncio
import json
from typing import Annotated, get_args

import typer

from services.cli.options import AsJson, Config, State, place, settings
from services.cli.recovery.resume import OneService, Service

_WHY = {
    "another log": "it is not the log that was read",
    "lost records": "Kafka has dropped records before they were read",
}


def take_up(
    service: OneService = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken up.")] = False,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Go on where a topic was made anew, has lost its end, or has dropped records before they were read.

    Each such partition is read from its beginning; events that are known by their id are not counted again. What waits
    for it goes on within a second. Safe to repeat: what is as it was is left alone.

    Example: firsthour topics take-up --dry-run
    """
    place(config, state)
    from services.cli.recovery.logs_of_today import take_up as take_them_up

    done = [
        each
        for name in ([service] if service else get_args(Service))
        for each in asyncio.run(take_them_up(settings(), name, dry_run=dry_run))
    ]
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, "taken_up": [each._asdict() for each in done]}))
        return
    how = "would be taken up" if dry_run else "taken up"
    for each in done:
        where = f"{each.service}: {each.topic}/{each.partition}"
        typer.echo(f"{where}: {how} from offset {each.first}: {_WHY[each.found]}")
    if not done:
        typer.echo("every topic is the one that was read")
