"""`firsthour contacts`: a person's corrections of who is who, and of what is a machine."""

import asyncio
import getpass
import json
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from services.cli.options import AsJson, Config, State, place, settings
from shared.errors import FirsthourError

if TYPE_CHECKING:
    from services.scoring.jobs.machine import Judged
    from services.scoring.jobs.split import Split

contacts = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Contacts: correct who is who, and what is a machine."
)


class NothingToSplit(FirsthourError):  # noqa: N818 - reads as what happened
    """Nobody was merged into this contact, or several were."""


@contacts.callback()
def _group() -> None:
    """Contacts: correct who is who, and what is a machine."""


@contacts.command()
def split(
    contact: Annotated[str, typer.Argument(help="Id, e-mail address or phone number of the contact.")],
    part: Annotated[UUID | None, typer.Option(help="The id of the contact to split off, if there are several.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who does it, for the audit. [the user of this machine]")] = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Undo a merge: two people again, each with their own events, values and orders. They never join again.

    Example: firsthour contacts split ada@example.com
    """
    place(config, state)
    done = asyncio.run(_split(contact, part, actor or getpass.getuser()))
    if as_json:
        typer.echo(json.dumps({"contact": str(done.survivor), "parted": str(done.loser), "events": done.events}))
    else:
        typer.echo(f"{done.survivor} and {done.loser} are two people again; {done.events} events went back.")


async def _split(named: str, part: UUID | None, actor: str) -> "Split":
    from services.cli.contacts.contact_named import id_named
    from services.cli.contacts.valued import valued
    from services.scoring.facts import FactMaker
    from services.scoring.jobs.split import Splitting
    from services.scoring.store.contacts import split as store
    from shared.clock import new_id, utc_now
    from shared.db.tables import audit
    from shared.tokens import Actor

    given = settings()
    async with valued(given) as (conn, model):
        found = await id_named(conn, named)
        parts = await store.merged_into(conn, found)
        if not parts:
            raise NothingToSplit("nobody was merged into this contact")
        if part is None and len(parts) > 1:
            known = ", ".join(f"{each.id} ({each.at:%Y-%m-%d %H:%M})" if each.at else str(each.id) for each in parts)
            raise NothingToSplit(f"several were merged into this contact; say --part, one of: {known}")
        splitting = Splitting(model, FactMaker(given.partition_key_secret(), new_id), new_id)
        by = Actor(actor, audit.COMMAND)
        return await splitting.split(conn, found, part or parts[0].id, utc_now(), by)


@contacts.command()
def machine(
    contact: Annotated[str, typer.Argument(help="Id, e-mail address or phone number of the contact.")],
    undo: Annotated[bool, typer.Option("--undo", help="It is a person after all: what it did counts again.")] = False,
    actor: Annotated[str | None, typer.Option(help="Who does it, for the audit. [the user of this machine]")] = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Say that a contact is a machine: what it did and does counts nothing, and its bookings are reversed.

    Example: firsthour contacts machine 0198c0de-0000-7000-8000-000000000000
    """
    place(config, state)
    from shared.money import to_decimal

    done, currency = asyncio.run(_judge(contact, actor or getpass.getuser(), machine=not undo))
    lead, customer = (str(to_decimal(each, currency)) for each in (done.lead, done.customer))
    if as_json:
        typer.echo(json.dumps({"contact": str(done.contact), "machine": not undo, "lead": lead, "customer": customer}))
    else:
        what = "a person again" if undo else "a machine"
        typer.echo(f"{done.contact} is {what}: its lead value changed by {lead} {currency}.")


async def _judge(named: str, actor: str, *, machine: bool) -> "tuple[Judged, str]":
    from services.cli.contacts.contact_named import id_named
    from services.cli.contacts.valued import valued
    from services.scoring.jobs.machine import Judging
    from shared.clock import new_id, utc_now
    from shared.db.tables import audit
    from shared.tokens import Actor

    async with valued(settings()) as (conn, model):
        found = await id_named(conn, named)
        by = Actor(actor, audit.COMMAND)
        judged = await Judging(model, new_id).judge(conn, found, utc_now(), by, machine=machine)
        return judged, model.currency
