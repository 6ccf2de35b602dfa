"""`firsthour erase`: everything about a person, in every service."""

import asyncio
import getpass
import json
from typing import Annotated, Final
from uuid import UUID

import typer

from services.cli.options import AsJson, Config, State, place, settings

_KAFKA_DAYS: Final = 28
_SENDING_S: Final = 60.0  # longer than one attempt may take


def erase(
    contact: Annotated[str, typer.Argument(help="Id, e-mail address or phone number of the contact.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    actor: Annotated[str | None, typer.Option(help="Who does it, for the audit. [the user of this machine]")] = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Erase all that is known of a person: values, events, orders, follow-ups, and what was merged into them.

    It cannot be undone. What they objected to stays, so that they are not mailed again.

    Example: firsthour erase ada@example.com --yes
    """
    place(config, state)
    if not yes:
        typer.confirm("Erase everything about this contact? It cannot be undone.", abort=True)
    contact_id, events = asyncio.run(_erase(contact, actor or getpass.getuser()))
    if as_json:
        typer.echo(json.dumps({"erased": str(contact_id), "events": events}))
    else:
        typer.echo(
            f"{contact_id} is erased, with {events} events. Kafka forgets them within {_KAFKA_DAYS} days; "
            "files and inboxes outside Firsthour are yours to clear."
        )


async def _erase(contact: str, actor: str) -> tuple[UUID, int]:
    from services.cli.contacts.contact_named import id_named
    from services.cli.service_database import connected
    from services.nurture.store import erase as of_nurture
    from services.scoring.store.contacts import erase as of_scoring
    from shared.clock import new_id, utc_now
    from shared.db.tables import audit
    from shared.tokens import Actor

    url = settings().database_url()
    async with connected(url, "scoring") as conn:
        found = await id_named(conn, contact)
        ids = await of_scoring.all_of(conn, found)
        words = await of_scoring.identities(conn, ids)
        referrals = await of_scoring.referrals_naming(conn, ids)
    # Nurture first and last: its facts need a contact that scoring knows, and scoring's updates reach it.
    until = asyncio.get_running_loop().time() + _SENDING_S
    while True:  # a send in progress ends before its row is deleted
        async with connected(url, "nurture") as conn:
            under_way = await of_nurture.withdraw(conn, ids)
        if not under_way or asyncio.get_running_loop().time() > until:
            break
        await asyncio.sleep(0.2)
    async with connected(url, "nurture") as conn:
        await of_nurture.erase(conn, ids, words, referrals)
    async with connected(url, "scoring") as conn:
        ids = await of_scoring.all_of(conn, found)
        words = await of_scoring.identities(conn, ids)
        referrals = await of_scoring.referrals_naming(conn, ids)
        events = await of_scoring.erase(conn, ids, words)
        by = Actor(actor, audit.COMMAND)
        await audit.note(conn, new_id(), utc_now(), by, "erased", contact=found)
    async with connected(url, "nurture") as conn:
        await of_nurture.erase(conn, ids, words, referrals)
    return found, events
