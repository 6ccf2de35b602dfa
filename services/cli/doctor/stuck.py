"""Whether accepted work waits for a person: halted lanes, dead letters, disabled endpoints."""

import asyncio
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.cli.doctor.finding import PATIENCE_S, Finding, ok, warning, wrong
from services.cli.service_database import connected
from services.cli.unreachable import Unreachable
from services.nurture.store import endpoints
from shared.db.database_url import NotAPostgresUrl
from shared.db.services import SERVICES
from shared.db.tables import dead_letters, halts
from shared.settings import Settings

WHAT: Final = "what waits"


async def work(settings: Settings, now: datetime) -> list[Finding]:
    """Findings of each service; none when the database does not answer or refuses us, which another check reports."""
    found, asked = list[Finding](), 0
    for service in SERVICES:
        try:
            async with asyncio.timeout(2 * PATIENCE_S), connected(settings.database_url(), service) as conn:
                found += await _of(conn, service, now)
                asked += 1
        except Unreachable as error:
            if "schema" in str(error):
                found.append(wrong(WHAT, str(error), "make the schemas those of this version: firsthour migrate"))
        except (TimeoutError, NotAPostgresUrl):
            continue
    return found if found or not asked else [ok(WHAT, "no lane is halted, nothing is a dead letter")]


async def _of(conn: AsyncConnection, service: str, now: datetime) -> list[Finding]:
    found = []
    for halt in await halts.read(conn):
        said = f"{service} halted its {halt.lane} lane: {halt.reason}"
        found.append(wrong(WHAT, said, "see docs/operating.md, then: firsthour resume"))
    count, last = await dead_letters.waiting(conn)
    if last is not None:
        hours = max(0, (now - last).total_seconds()) / 3600
        said = f"{service} could not work off {count:,} events, the last one {hours:,.1f} hours ago"
        found.append(warning(WHAT, said, "see them: firsthour dead-letters list; send them again: … redrive"))
    if service == "nurture":
        for name in sorted(await endpoints.disabled(conn)):
            said = f"the endpoint {name} is off: nothing is sent to it"
            found.append(wrong(WHAT, said, f"mend it, then: POST /v1/endpoints/{name}/enable of nurture"))
    return found
