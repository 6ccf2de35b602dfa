"""`firsthour topics take-up`: continue in a recreated topic, or after what Kafka has dropped."""

import asyncio
import json
from typing import Annotated

import typer

from services.cli.options import AsJson, Config, State, place, settings
from services.cli.recovery.resume import OneService
from shared.db.services import SERVICES

_WHY = {
    "another log": "it is not the log that was read",
    "lost records": "Kafka has dropped records before they were read",
}


def take_up(
    service: OneService = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would be taken up.")] = False,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Continue where a topic was recreated, has lost its end, or has dropped records before they were read.

    Each such partition is read from its beginning; events known by their id are not counted again. What waits for it
    continues within a second. Safe to repeat: partitions that are as they were are left alone.

    Example: firsthour topics take-up --dry-run
    """
    place(config, state)
    from services.cli.recovery.logs_of_today import take_up as take_them_up

    done = [
        each
        for name in ([service] if service else SERVICES)
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
        typer.echo("every topic is the one that was being read")
