"""`firsthour resume`: resumes a halted lane."""

import asyncio
import json
from typing import Annotated, Any

import typer

from services.cli.options import AsJson, Config, State, place, settings
from shared.db.services import SERVICES, Service
from shared.events.lanes import LANES, Lane

OneService = Annotated[Service | None, typer.Option(help="scoring or nurture; default: both.")]
OneLane = Annotated[Lane | None, typer.Option(help="live or bulk; default: both.")]


def resume(
    service: OneService = None,
    lane: OneLane = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Resume a halted lane once the fault is fixed. The service notices within a second.

    A lane halts when records of several senders fail unforeseen; nothing behind them is skipped.

    Example: firsthour resume --service scoring --lane live
    """
    place(config, state)
    from services.cli.service_database import connected
    from shared.db.tables import halts

    url = settings().database_url()
    lanes = (lane,) if lane else LANES
    ended: list[dict[str, Any]] = []
    still: list[str] = []

    async def end(name: Service) -> None:
        async with connected(url, name) as conn:
            ended.extend(
                {"service": name, "lane": halt.lane, "reason": halt.reason}
                for halt in await halts.end(conn, lanes, "failures")
            )
            still.extend(
                f"{name}: the {halt.lane} lane stays halted: {halt.reason}; see `firsthour topics take-up --dry-run`"
                for halt in await halts.read(conn)
                if halt.lane in lanes
            )

    for name in [service] if service else SERVICES:
        asyncio.run(end(name))
    if as_json:
        typer.echo(json.dumps({"resumed": ended, "halted": still}))
    else:
        for each in ended:
            typer.echo(f"{each['service']}: the {each['lane']} lane continues; it was halted because {each['reason']}")
        for line in still:
            typer.echo(line, err=True)
        if not ended and not still:
            typer.echo("nothing is halted")
    raise typer.Exit(1 if still else 0)
