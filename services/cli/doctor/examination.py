"""All checks of the doctor, in the order in which a lead passes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial

from services.cli.doctor import outgoing, services_up, stores, stuck
from services.cli.doctor.finding import Finding, Place, ok, survived, warning, wrong
from services.cli.setup import check_configuration
from services.ingest.settings import IngestSettings
from services.nurture.config import load_endpoints
from services.nurture.settings import NurtureSettings
from services.scoring.settings import ScoringSettings
from shared.errors import ConfigurationError
from shared.settings import Settings, load

_Test = Callable[[], Awaitable[list[Finding]]]


async def examine(now: datetime, told: Mapping[str, Place]) -> list[Finding]:
    """What each check found. `now` is what this machine's clock says, in UTC; `told`: where services not here are."""
    try:
        settings = load(Settings)
        ports = (
            ("ingest", load(IngestSettings).ingest_port),
            ("scoring", load(ScoringSettings).scoring_port),
            ("nurture", load(NurtureSettings).nurture_port),
        )
    except ConfigurationError as error:
        return [wrong("settings", str(each), "fix the environment") for each in error.problems]
    tests: list[tuple[str, _Test]] = [
        ("configuration", partial(_configuration, settings)),
        ("state folder", partial(services_up.state_folder, settings.state)),
    ]
    for name, port in ports:
        at = told.get(name, Place(settings.host, port))
        tests.append((name, partial(services_up.service, name, at)))
    tests += [("kafka", partial(stores.kafka, settings)), ("database", partial(stores.database, settings, now))]
    tests.append((stuck.WHAT, partial(stuck.work, settings, now)))
    try:
        endpoints = load_endpoints(settings.config)
    except ConfigurationError:  # the first check says so
        endpoints = None
    if endpoints is not None:
        tests.append(("mail", partial(outgoing.mail, endpoints.email, settings.state)))
        for receiver in endpoints.webhooks.values():
            tests.append((f"webhook {receiver.name}", partial(outgoing.webhook, receiver)))
    found = await asyncio.gather(*(survived(what, test) for what, test in tests))
    return [finding for each in found for finding in each]


async def _configuration(settings: Settings) -> list[Finding]:
    what = "configuration"
    try:
        warnings = check_configuration(settings.config, settings.state)
    except ConfigurationError as error:
        return [wrong(what, str(each), f"mend it in {each.file.name}") for each in error.problems]
    found = [warning(what, str(each), "see `firsthour check`") for each in warnings]
    return found or [ok(what, f"{settings.config}: no problems")]
