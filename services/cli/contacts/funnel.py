"""`firsthour funnel`: how far people get, in a terminal."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, Config, State, place, settings

if TYPE_CHECKING:
    from services.scoring.api.funnel import Funnel, StageOf


def funnel(
    weeks: Annotated[int, typer.Option(min=1, max=260, help="Only people first seen within this many weeks.")] = 26,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """How far people get, from visitors to advocates, and where most are lost.

    Example: firsthour funnel --weeks 12
    """
    place(config, state)
    found = asyncio.run(_read(weeks))
    if as_json:
        typer.echo(found.model_dump_json())
        return
    typer.echo(f"first seen since {found.since}")
    _show(found.stages)
    for source in found.sources if len(found.sources) > 1 else []:
        typer.echo(f"\n{source.name or 'no known source'}")
        _show(source.stages)
    typer.echo(f"\n{found.bottleneck.says}")


def _show(stages: "list[StageOf]") -> None:
    for each in stages:
        rate = ""
        if each.rate is not None:
            rate = f"{each.rate.share:7.1%} of {each.of} ({each.rate.low:.1%} to {each.rate.high:.1%})"
        typer.echo(f"  {each.stage:<10} {each.contacts:>9,} {each.value.amount:>14}  {rate}".rstrip())


async def _read(weeks: int) -> "Funnel":
    from services.cli.contacts.valued import valued
    from services.scoring.api.funnel import the_funnel
    from shared.clock import utc_now

    async with valued(settings()) as (conn, model):
        return await the_funnel(conn, model, utc_now(), weeks)
