"""`firsthour doctor`: one test each of all that leads and follow-ups need, and in plain words what is wrong."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

import typer

from services.cli.doctor import outgoing, services_up, stores
from services.cli.doctor.finding import Finding, ok, survived, warning, wrong
from services.cli.options import AsJson, Config, State, place
from shared.clock import utc_now
from shared.errors import ConfigurationError

_MOMENT: Final = "%Y-%m-%dT%H:%M:%S"
_SHOWN: Final = {"ok": "ok     ", "warning": "look   ", "wrong": "WRONG  "}
_Test = Callable[[], Awaitable[list[Finding]]]


def doctor(
    now: Annotated[
        datetime | None,
        typer.Option(help="What this machine's clock says, in UTC: to try the doctor out.", formats=[_MOMENT]),
    ] = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """My leads do not arrive: test everything once, say what is wrong and what to do. Sends and changes nothing.

    Tested are the configuration, the services and their ports, Kafka, Postgres, the clocks, DNS, the mail server and
    the receivers of webhooks. Exit codes: 0 all is well, 1 something is wrong, 2 wrong use.

    Example: firsthour doctor
    """
    place(config, state)
    clock = now.replace(tzinfo=UTC) if now is not None else utc_now()
    found = asyncio.run(_findings(clock))
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


async def _findings(now: datetime) -> list[Finding]:
    """All of them, in the order in which a lead goes."""
    from services.ingest.settings import IngestSettings
    from services.nurture.config import load_endpoints
    from services.nurture.settings import NurtureSettings
    from services.scoring.settings import ScoringSettings
    from shared.settings import Settings, load

    try:
        settings = load(Settings)
        ports = (
            ("ingest", load(IngestSettings).ingest_port),
            ("scoring", load(ScoringSettings).scoring_port),
            ("nurture", load(NurtureSettings).nurture_port),
        )
    except ConfigurationError as error:
        return [wrong("settings", str(each), "put right the environment") for each in error.problems]
    tests: list[tuple[str, _Test]] = [
        ("configuration", partial(_configuration, settings)),
        ("state folder", partial(services_up.state_folder, settings.state)),
    ]
    for name, port in ports:
        tests.append((name, partial(services_up.service, name, settings.host, port)))
    tests += [("kafka", partial(stores.kafka, settings)), ("database", partial(stores.database, settings, now))]
    try:
        endpoints = load_endpoints(settings.config)
    except ConfigurationError:  # the first test says so
        endpoints = None
    if endpoints is not None:
        tests.append(("mail", partial(outgoing.mail, endpoints.email)))
        for receiver in endpoints.webhooks.values():
            tests.append((f"webhook {receiver.name}", partial(outgoing.webhook, receiver)))
    found = await asyncio.gather(*(survived(what, test) for what, test in tests))
    return [finding for each in found for finding in each]


async def _configuration(settings: Any) -> list[Finding]:
    from services.cli.setup import check_configuration

    what = "configuration"
    try:
        warnings = check_configuration(settings.config, settings.state)
    except ConfigurationError as error:
        return [wrong(what, str(each), f"mend it in {each.file.name}") for each in error.problems]
    found = [warning(what, str(each), "see `firsthour check`") for each in warnings]
    return found or [ok(what, f"{settings.config}: no problems")]
