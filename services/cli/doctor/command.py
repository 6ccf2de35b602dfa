"""`firsthour doctor`: checks everything that leads and follow-ups need, and says plainly what is wrong."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from services.cli.doctor.finding import Place
from services.cli.options import AsJson, Config, State, place
from shared.clock import utc_now

_MOMENT: Final = "%Y-%m-%dT%H:%M:%S"
_SHOWN: Final = {"ok": "ok     ", "warning": "look   ", "wrong": "WRONG  "}


def doctor(
    now: Annotated[
        datetime | None,
        typer.Option(help="What this machine's clock says, in UTC: to try the doctor out.", formats=[_MOMENT]),
    ] = None,
    ingest: Annotated[str | None, typer.Option(help="Its URL. [http://127.0.0.1:FIRSTHOUR_INGEST_PORT]")] = None,
    scoring: Annotated[str | None, typer.Option(help="Its URL, likewise.")] = None,
    nurture: Annotated[str | None, typer.Option(help="Its URL, likewise.")] = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """My leads do not arrive: test everything once, say what is wrong and what to do. Sends and changes nothing.

    Tested are the configuration, the services and their ports, Kafka, Postgres, the clocks, DNS, the mail server and
    the receivers of webhooks. Exit codes: 0 all is well, 1 something is wrong, 2 wrong use.

    Example: firsthour doctor
    """
    from services.cli.doctor.examination import examine

    place(config, state)
    clock = now.replace(tzinfo=UTC) if now is not None else utc_now()
    told = {"ingest": ingest, "scoring": scoring, "nurture": nurture}
    found = asyncio.run(examine(clock, {name: _at(name, url) for name, url in told.items() if url is not None}))
    ill = [each for each in found if each.state == "wrong"]
    if as_json:
        typer.echo(json.dumps({"well": not ill, "findings": [each._asdict() for each in found]}))
    else:
        for each in found:
            typer.echo(f"{_SHOWN[each.state]}{each.what}: {each.said}")
            if each.do:
                typer.echo(f"         {each.do}")
        typer.echo("" if ill else "\nAll is well here. If a lead still does not arrive: docs/leads-do-not-arrive.md")
    raise typer.Exit(1 if ill else 0)


def _at(name: str, url: str) -> Place:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise typer.BadParameter(f"--{name}: write it as http://{name}:8080")
    return Place(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), parts.scheme == "https")
