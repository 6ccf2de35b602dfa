"""`firsthour export`: what scoring holds, as CSV."""

import asyncio
import csv
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.cli.options import Config, State, place, settings
from services.ingest.domain.sheets.cells import as_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.scoring.domain.model.model import Model


class What(StrEnum):
    contacts = "contacts"
    bookings = "bookings"
    events = "events"


_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_CONTACT: Final = (
    "id", "stage", "email", "phone", "name", "source", "country", "interest", "currency", "lead_value",
    "customer_value", "conversion", "tier", "purchases", "average_order_value", "p_alive", "expected_purchases", "rfm",
    "created_at", "updated_at",
)  # fmt: skip
_BOOKING: Final = ("contact_id", "time", "account", "factor", "amount", "currency", "model", "event_id")
_EVENT: Final = ("contact_id", "time", "type", "id", "body")


def export(
    what: Annotated[What, typer.Argument(help="contacts, bookings or events.")],
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="The file. [standard output]")] = None,
    config: Config = None,
    state: State = None,
) -> None:
    """Write everything of a kind as CSV (UTF-8, a header line). Cells that a spreadsheet would run are quoted with '.

    Example: firsthour export contacts --out contacts.csv
    """
    place(config, state)
    from services.scoring.config import load_scoring

    model = load_scoring(settings().config)
    with ExitStack() as closing:
        file = sys.stdout if out is None else closing.enter_context(out.open("w", encoding="utf-8", newline=""))
        count = asyncio.run(_write(csv.writer(file), what, model))
    if out is not None:
        out.chmod(0o600)
        typer.echo(f"{out}: {count} {what.value}", err=True)


async def _write(writer: Any, what: What, model: "Model") -> int:
    from services.cli.service_database import connected
    from services.scoring.models import InForce

    models, count = InForce(model), 0
    async with connected(settings().database_url(), "scoring") as conn:
        await models.refresh(conn)
        header, rows = _HEADERS[what], _ROWS[what](conn, models.model)
        writer.writerow(header)
        async for row in rows:
            writer.writerow([_cell(value) for value in row])
            count += 1
    return count


def _cell(value: Any) -> str:
    """A cell that no spreadsheet runs as a formula; numbers stay numbers."""
    if value is None:
        return ""
    return as_text(value) if isinstance(value, str) and not _is_number(value) else str(value)


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


async def _contacts(conn: "AsyncConnection", model: "Model") -> AsyncIterator[Sequence[Any]]:
    from services.scoring.domain.contact.contact import decode_state
    from services.scoring.domain.contact.view import view
    from services.scoring.domain.customer.standing import standing
    from services.scoring.store import export as store
    from shared.clock import utc_now
    from shared.money import from_minor

    now = utc_now().timestamp()
    async for row in store.rows(conn, store.CONTACTS):
        state = decode_state(row.state)
        seen, stands = view(state, model), standing(state, model, max(now, state.as_of))
        yield (
            seen.id, seen.stage, seen.email, seen.phone, seen.name, seen.source, seen.country, seen.interest,
            model.currency,
            from_minor(state.lead, model.currency).amount, from_minor(state.customer, model.currency).amount,
            seen.conversion, seen.tier, seen.purchases,
            None if stands is None else from_minor(stands.average, model.currency).amount,
            None if stands is None else stands.p_alive,
            None if stands is None else stands.expected,
            None if stands is None else stands.rfm,
            seen.created.isoformat(), row.updated_at.isoformat(),
        )  # fmt: skip


async def _bookings(conn: "AsyncConnection", model: "Model") -> AsyncIterator[Sequence[Any]]:
    from services.scoring.store import export as store
    from shared.money import from_minor

    async for row in store.rows(conn, store.BOOKINGS):
        amount = from_minor(row.amount, model.currency).amount
        yield (
            row.contact_id, row.time.isoformat(), row.account, row.factor, amount, model.currency, row.model,
            row.event_id,
        )  # fmt: skip


async def _events(conn: "AsyncConnection", _model: "Model") -> AsyncIterator[Sequence[Any]]:
    from services.scoring.store import export as store

    async for row in store.rows(conn, store.EVENTS):
        yield row.contact_id, row.time.isoformat(), row.type, row.id, bytes(row.body).decode("utf-8", "replace")


_HEADERS: Final = {What.contacts: _CONTACT, What.bookings: _BOOKING, What.events: _EVENT}
_ROWS: Final = {What.contacts: _contacts, What.bookings: _bookings, What.events: _events}
