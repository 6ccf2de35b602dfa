"""Fills the tables of scoring and nurture by COPY with as much as is asked for, to measure what a full database costs.

    python -m benchmarks.filling postgresql://… --contacts 5000000 --events 20000000 --enrolments 1000000

The schemas are migrated and empty. Every contact has an address, a name and a company; `--waiting` of them are leads of
the last 30 days whom nobody has reached.
"""

import argparse
import asyncio
import math
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from services.scoring.domain import queue
from services.scoring.domain.contact.contact import FORM, ContactState, Word, encode_state
from shared.clock import utc_now

_AT_ONCE: Final = 50_000
_FIRST: Final = ("ada", "ben", "chloe", "dan", "eva", "finn", "gia", "hugo", "ida", "jan", "kim", "lea", "max", "nora")
_LAST: Final = ("adler", "baker", "costa", "diaz", "evans", "fischer", "garcia", "huber", "ivanov", "jones", "kowalski")
_COUNTRIES: Final = ("DE", "FR", "GB", "US", "PL", "NL", None)
_SOURCES: Final = ("website", "shop", "fair", "partner")
_CONTACTS: Final = (
    "id", "version", "stage", "lead_value", "customer_value", "model", "open_since", "created_at", "updated_at", "said",
    "source", "country", "worth", "curve", "state",
)  # fmt: skip
_EVENTS: Final = ("id", "contact_id", "type", "time", "topic", "partition", "offset", "body")
_ENROLMENTS: Final = (
    "id", "workflow", "version", "contact_id", "status", "listens", "triggered_at", "started_at", "due_at", "document",
)  # fmt: skip
_MONTH_S: Final = 30 * 86_400


def contact_id(number: int) -> UUID:
    """The id of the contact with this number: in the order of the numbers, as UUIDv7 are in that of time."""
    return UUID(int=(number + 1) << 80 | 7 << 76)


def name_of(number: int) -> tuple[str, str]:
    """First and last name: ordinary ones, the last with a number so that few share it."""
    return _FIRST[number % len(_FIRST)], f"{_LAST[number % len(_LAST)]}{number // 100}"


def _contacts(first: int, count: int, waiting: int, model: str, now: datetime) -> Iterator[tuple[Any, ...]]:
    dice = random.Random(first)
    empty = ContactState(id=contact_id(0), created=now, form=FORM, version=1, model=model)
    for number in range(first, first + count):
        one, two = name_of(number)
        email, company, country = (
            f"{one}.{two}@example{number % 997}.com",
            f"firm{number % 5003}",
            dice.choice(_COUNTRIES),
        )
        source = dice.choice(_SOURCES)
        at = now.timestamp() - dice.random() * _MONTH_S
        waits = number < waiting
        lead = round(math.exp(dice.gauss(10.5, 1.2))) if waits else 0
        known = {
            "email": Word(at, email),
            "name": Word(at, f"{one} {two}"),
            "trait:company": Word(at, company),
            **({"trait:country": Word(at, country)} if country else {}),
        }
        worth = queue.step(lead) if waits else None
        state = msgspec.structs.replace(
            empty, id=contact_id(number), lead=lead, clock=at, keys=(f"email:{email}",), known=known, worth=worth,
            captured=at if waits else None, first_source=(at, f"/sources/{source}"),
        )  # fmt: skip
        moment = datetime.fromtimestamp(at, UTC)
        said = f"{company} {email} example{number % 997} com {one} {two}"
        yield (
            state.id, 1, "lead" if waits else "visitor", lead, 0, model, moment if waits else None, moment, moment,
            said, source, country, worth, "" if waits else None, encode_state(state),
        )  # fmt: skip


def _events(first: int, count: int, contacts: int, now: datetime) -> Iterator[tuple[Any, ...]]:
    body = b'{"type":"engagement.recorded","data":{"kind":"page_viewed"},"filler":"' + b"x" * 300 + b'"}'
    for number in range(first, first + count):
        at = now - timedelta(seconds=number % (365 * 86_400))
        yield (
            UUID(int=number + 1), contact_id(number % contacts), "engagement.recorded", at, "firsthour.events",
            number % 12, number, body,
        )  # fmt: skip


def _enrolments(first: int, count: int, contacts: int, now: datetime) -> Iterator[tuple[Any, ...]]:
    for number in range(first, first + count):
        at, due = now - timedelta(seconds=number % _MONTH_S), now + timedelta(days=1, seconds=number % _MONTH_S)
        yield (
            UUID(int=number + 1), "filled", "1", contact_id(number % contacts), "active", False, at, at, due, b"{}",
        )  # fmt: skip


async def _copy(
    conn: asyncpg.Connection, schema: str, table: str, columns: tuple[str, ...], count: int, rows: Any
) -> None:
    started = time.monotonic()
    for first in range(0, count, _AT_ONCE):
        records = list(rows(first, min(_AT_ONCE, count - first)))
        await conn.copy_records_to_table(table, schema_name=schema, columns=columns, records=records)
    if count:
        print(f"filled {count} rows of {schema}.{table} in {time.monotonic() - started:.0f} s", flush=True)


async def fill_scoring(url: str, *, contacts: int, events: int = 0, waiting: int = 0, model: str = "filled") -> None:
    """Fill contacts with their identities, and events; `model` is the version that their values stand at."""
    now = utc_now()
    conn = await asyncpg.connect(url)
    try:
        await conn.execute("SET synchronous_commit = off")
        await _copy(conn, "scoring", "contacts", _CONTACTS, contacts,
                    lambda first, count: _contacts(first, count, waiting, model, now))  # fmt: skip
        await conn.execute("""
            INSERT INTO scoring.identities (key, contact_id)
            SELECT 'email:' || split_part(said, ' ', 2), id FROM scoring.contacts
        """)
        await _copy(conn, "scoring", "events", _EVENTS, events,
                    lambda first, count: _events(first, count, contacts, now))  # fmt: skip
        await conn.execute("VACUUM ANALYZE")
    finally:
        await conn.close()


async def fill_nurture(url: str, *, enrolments: int, contacts: int) -> None:
    """Fill runs of a workflow that wait for a time to come."""
    now = utc_now()
    conn = await asyncpg.connect(url)
    try:
        await conn.execute("SET synchronous_commit = off")
        await conn.execute("INSERT INTO nurture.workflow_versions (name, version, source) VALUES ('filled', '1', '')")
        await _copy(conn, "nurture", "enrolments", _ENROLMENTS, enrolments,
                    lambda first, count: _enrolments(first, count, contacts, now))  # fmt: skip
        await conn.execute("VACUUM ANALYZE")
    finally:
        await conn.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--contacts", type=int, default=5_000_000)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--enrolments", type=int, default=1_000_000)
    parser.add_argument("--waiting", type=int, default=100_000)
    given = parser.parse_args()

    async def fill() -> None:
        await fill_scoring(given.url, contacts=given.contacts, events=given.events, waiting=given.waiting)
        if given.enrolments:
            await fill_nurture(given.url, enrolments=given.enrolments, contacts=given.contacts)

    asyncio.run(fill())


if __name__ == "__main__":
    main()
