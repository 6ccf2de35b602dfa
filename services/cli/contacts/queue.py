"""`firsthour queue`: whom to contact now, in a terminal."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import AsJson, Config, State, place, settings
from shared.terminal import printable

if TYPE_CHECKING:
    from services.scoring.api.queue import QueueItem


def queue(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20,
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    country: Annotated[str | None, typer.Option(help="Only this country.")] = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Whom to contact now, the most urgent first, and why.

    Example: firsthour queue --limit 10
    """
    place(config, state)
    items = asyncio.run(_read(limit, source, country))
    if as_json:
        typer.echo(json.dumps({"items": [each.model_dump(mode="json") for each in items]}))
        return
    for number, each in enumerate(items, 1):
        who = each.contact.name or each.contact.email or each.contact.phone or str(each.contact.id)
        worth = each.contact.lead_value if each.kind == "lead" else each.contact.customer_value
        typer.echo(f"{number:>3}  {printable(who):<32.32}  {worth.amount:>12}  {each.why}")
    if not items:
        typer.echo("nobody waits")


async def _read(limit: int, source: str | None, country: str | None) -> "list[QueueItem]":
    from services.cli.contacts.valued import valued
    from services.scoring.api.queue import Asked, the_queue
    from services.scoring.load import Load
    from shared.clock import utc_now

    load = Load()
    async with valued(settings()) as (conn, model):
        await load.look(conn)
        asked = Asked(utc_now(), load.overload)
        return (await the_queue(conn, model, asked, limit, source=source, country=country)).items
