"""`firsthour export`: what scoring holds, as a file."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.cli.contacts.export_file import Column, Csv, Parquet, Writing
from services.cli.options import Config, State, place, settings
from shared.money import decimals, to_decimal

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.scoring.domain.model.model import Model


class What(StrEnum):
    contacts = "contacts"
    bookings = "bookings"
    events = "events"


_CONTACT: Final = (
    Column("id"), Column("stage"), Column("email"), Column("phone"), Column("name"), Column("source"),
    Column("country"), Column("interest"), Column("currency"), Column("lead_value", "money"),
    Column("customer_value", "money"), Column("conversion", "number"), Column("tier"), Column("purchases", "whole"),
    Column("average_order_value", "money"), Column("p_alive", "number"), Column("expected_purchases", "number"),
    Column("rfm"), Column("created_at", "time"), Column("updated_at", "time"),
)  # fmt: skip
_BOOKING: Final = (
    Column("contact_id"), Column("time", "time"), Column("account"), Column("factor"), Column("amount", "money"),
    Column("currency"), Column("model"), Column("event_id"),
)  # fmt: skip
_EVENT: Final = (Column("contact_id"), Column("time", "time"), Column("type"), Column("id"), Column("body"))
_PARQUET: Final = ".parquet"


def export(
    what: Annotated[What, typer.Argument(help="contacts, bookings or events.")],
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The file; *.parquet: as Parquet. [CSV to standard output]")
    ] = None,
    config: Config = None,
    state: State = None,
) -> None:
    """Write everything of a kind, as CSV or, with its types, as Parquet.

    CSV is UTF-8 with a header line; cells that a spreadsheet would run are quoted with '. Parquet needs
    pip install 'firsthour[parquet]'.

    Example: firsthour export contacts --out contacts.parquet
    """
    place(config, state)
    from services.scoring.config import load_scoring

    model = load_scoring(settings().config)
    columns, count = _COLUMNS[what], 0
    with ExitStack() as open_files:
        file: Writing
        if out is not None and out.suffix.lower() == _PARQUET:
            file = open_files.enter_context(closing(Parquet(out, columns, decimals(model.currency))))
        else:
            text = sys.stdout if out is None else open_files.enter_context(out.open("w", encoding="utf-8", newline=""))
            file = Csv(text, columns)
        if out is not None:
            out.chmod(0o600)
        count = asyncio.run(_write(file, what, model))
    if out is not None:
        typer.echo(f"{out}: {count} {what.value}", err=True)


async def _write(file: Writing, what: What, model: "Model") -> int:
    from services.cli.service_database import connected
    from services.scoring.models import InForce

    models, count = InForce(model), 0
    async with connected(settings().database_url(), "scoring") as conn:
        await models.refresh(conn)
        async for row in _ROWS[what](conn, models.model):
            file.row(row)
            count += 1
    return count


async def _contacts(conn: "AsyncConnection", model: "Model") -> AsyncIterator[Sequence[Any]]:
    from services.scoring.domain.contact.view import view
    from services.scoring.domain.customer.standing import standing
    from services.scoring.store import export as store
    from services.scoring.store.contacts.states import readable
    from shared.clock import utc_now

    now = utc_now().timestamp()
    async for row in store.rows(conn, store.CONTACTS):
        for _, state in readable([row]):
            seen, stands = view(state, model), standing(state, model, max(now, state.as_of))
            yield (
                seen.id, seen.stage, seen.email, seen.phone, seen.name, seen.source, seen.country, seen.interest,
                model.currency,
                to_decimal(state.lead, model.currency), to_decimal(state.customer, model.currency),
                seen.conversion, seen.tier, seen.purchases,
                None if stands is None else to_decimal(stands.average, model.currency),
                None if stands is None else stands.p_alive,
                None if stands is None else stands.expected,
                None if stands is None else stands.rfm,
                seen.created, row.updated_at,
            )  # fmt: skip


async def _bookings(conn: "AsyncConnection", model: "Model") -> AsyncIterator[Sequence[Any]]:
    from services.scoring.store import export as store

    async for row in store.rows(conn, store.BOOKINGS):
        amount = to_decimal(row.amount, model.currency)
        yield (
            row.contact_id, row.time, row.account, row.factor, amount, model.currency, row.model,
            row.event_id,
        )  # fmt: skip


async def _events(conn: "AsyncConnection", _model: "Model") -> AsyncIterator[Sequence[Any]]:
    from services.scoring.store import export as store

    async for row in store.rows(conn, store.EVENTS):
        yield row.contact_id, row.time, row.type, row.id, bytes(row.body).decode("utf-8", "replace")


_COLUMNS: Final = {What.contacts: _CONTACT, What.bookings: _BOOKING, What.events: _EVENT}
_ROWS: Final = {What.contacts: _contacts, What.bookings: _bookings, What.events: _events}
