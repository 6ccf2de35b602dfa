"""`firsthour explain`: a contact's values as a ledger that anybody can read."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.options import AsJson, Config, State, place, settings

if TYPE_CHECKING:
    from services.scoring.store.contacts.reads import StoredBooking, StoredContact


def explain(
    contact: Annotated[str, typer.Argument(help="Id, e-mail address or phone number of the contact.")],
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Why a contact is worth what it is: every booking, and the balance after it.

    Example: firsthour explain ada@example.com
    """
    place(config, state)
    from services.scoring.config import load_scoring
    from shared.money import from_minor

    currency = load_scoring(settings().config).currency
    stored, booked = asyncio.run(_read(contact))
    balance = {"lead": 0, "customer": 0}
    lines: list[dict[str, Any]] = []
    for each in booked:
        balance[each.booking.account] += each.booking.amount
        lines.append(
            {
                "time": each.time.isoformat(timespec="seconds"),
                "account": each.booking.account,
                "factor": each.booking.factor,
                "amount": from_minor(each.booking.amount, currency).amount,
                "balance": from_minor(balance[each.booking.account], currency).amount,
                "event": each.event_type,
                "model": each.booking.model,
            }
        )
    values = {
        "lead": from_minor(stored.state.lead, currency).amount,
        "customer": from_minor(stored.state.customer, currency).amount,
    }
    if as_json:
        typer.echo(json.dumps({"id": str(stored.state.id), "currency": currency, "values": values, "bookings": lines}))
        return
    for line in lines:
        typer.echo(
            f"{line['time']:<25}  {line['account']:<8}  {line['factor']:<10}  {line['amount']:>14}  "
            f"{line['balance']:>14}  {line['event'] or ''}"
        )
    typer.echo(f"lead value {values['lead']} {currency}, customer value {values['customer']} {currency}")


async def _read(contact: str) -> "tuple[StoredContact, list[StoredBooking]]":
    from datetime import UTC, datetime
    from uuid import UUID

    from services.cli.contacts.contact_named import contact_named
    from services.cli.service_database import connected
    from services.scoring.store.contacts import reads

    after = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0), -1)
    booked: list[StoredBooking] = []
    async with connected(settings().database_url(), "scoring") as conn:
        stored = await contact_named(conn, contact)
        while page := await reads.bookings(conn, stored.state.id, after, 1000):
            booked += page
            after = (page[-1].time, page[-1].event_id, page[-1].line)
    return stored, booked
