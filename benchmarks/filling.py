"""Fills the tables of scoring and nurture by COPY with as much as is asked for, to measure what a full database costs.

    python -m benchmarks.filling postgresql://… --contacts 5000000 --events 20000000 --enrolments 1000000

The schemas are migrated and empty. Running services take all of it for their own, with nothing left to do: the contacts
stand at the values of the model in `config/`, today's sweep is done, and the runs are of a version that is stored.

Every contact once asked to be contacted, one after the other within three years. Of all but the last `--waiting`, who
came within the last 30 days, a person has reached each within half an hour.
"""

import argparse
import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from services.nurture.domain.context import ContactUpdate, Happening
from services.nurture.domain.enrolment import Enrolment, Waiting
from services.nurture.domain.entry import begin
from services.nurture.language.compile import compile_workflow
from services.nurture.store.enrolments import NEW
from services.scoring.config import load_scoring
from services.scoring.domain import queue
from services.scoring.domain.contact.contact import ContactState, Word, new_contact
from services.scoring.domain.funnel.journey import First, Journey
from services.scoring.domain.model.model import Model
from services.scoring.domain.model.queue_settings import OF_CUSTOMERS
from services.scoring.store.contacts.batch import CONTACT_COLUMNS, BookingRow, EventRow, contact_row
from shared.clock import utc_now
from shared.events.envelope import encode, make_event
from shared.events.identity import Identity
from shared.events.types import EngagementRecorded
from shared.events.updates import ContactView, Values

Table: TypeAlias = tuple[str, Iterable[str], Iterable[Any]]
"""Its name, the columns to be filled, and rows of them."""

# What the runs are of. Nothing that a benchmark sends starts it.
WORKFLOW: Final = {
    "workflow": "filled",
    "trigger": {"on": "feedback.given"},
    "steps": [{"wait": {"for": "90d"}}, {"send": {"webhook": "marketing-automation"}}, "exit"],
}
_CONFIG: Final = Path(__file__).parents[1] / "config"
_AT_ONCE: Final = 50_000
_FIRST: Final = ("ada", "ben", "chloe", "dan", "eva", "finn", "gia", "hugo", "ida", "jan", "kim", "lea", "max", "nora")
_LAST: Final = ("adler", "baker", "costa", "diaz", "evans", "fischer", "garcia", "huber", "ivanov", "jones", "kowalski")
_COUNTRIES: Final = ("DE", "FR", "GB", "US", "PL", "NL", None)
_SOURCES: Final = ("website", "shop", "fair", "partner")
_DAY_S: Final = 86_400
_MONTH_S: Final = 30 * _DAY_S
_YEARS_S: Final = 3 * 365 * _DAY_S
_ANSWERED_S: Final = 1800


def contact_id(number: int) -> UUID:
    """The id of the contact with this number: in the order of the numbers, as UUIDv7 are in that of time."""
    return UUID(int=(number + 1) << 80 | 7 << 76)


def name_of(number: int) -> tuple[str, str]:
    """First and last name: ordinary ones, the last with a number so that few share it."""
    return _FIRST[number % len(_FIRST)], f"{_LAST[number % len(_LAST)]}{number // 100}"


def email_of(number: int) -> str:
    """The address of the contact with this number."""
    return f"{'.'.join(name_of(number))}@example{number % 997}.com"


def _event_id(number: int) -> UUID:
    return UUID(int=number + 1)


def _contacts(
    first: int, count: int, contacts: int, waiting: int, at_risk: int, model: Model, now: datetime
) -> Iterator[ContactState]:
    dice, today = random.Random(first), now.timestamp()
    reached = contacts - waiting
    empty = replace(
        new_contact(contact_id(0), now), version=4, model=model.version, swept=today,
        half_lives=model.scorecard.half_lives,
    )  # fmt: skip
    for number in range(first, first + count):
        email, name = email_of(number), " ".join(name_of(number))
        country, source = dice.choice(_COUNTRIES), dice.choice(_SOURCES)
        waits = number >= reached
        at = today - (dice.random() * _MONTH_S if waits else _MONTH_S + _YEARS_S * (1 - number / reached))
        answered = None if waits else at + _ANSWERED_S
        lead = round(math.exp(dice.gauss(10.5, 1.2)))
        made = replace(
            empty, id=contact_id(number), created=datetime.fromtimestamp(at, UTC), lead=lead, clock=answered or at,
            keys=(f"email:{email}",),
            known={
                "email": Word(at, email),
                "name": Word(at, name),
                "trait:company": Word(at, f"firm{number % 5003}"),
                **({"trait:country": Word(at, country)} if country else {}),
            },
            engaged={"page_viewed": (at, *(1.0 for _ in empty.half_lives))},
            captured=at, touched=answered, first_source=(at, f"/sources/{source}"),
            journey=Journey(First(at, source), asked=at, did=answered),
            worth=queue.step(lead) if waits else None, curve=model.queue.curve_of(source) if waits else "",
        )  # fmt: skip
        yield made if number >= at_risk else _overdue(made, model, today - dice.random() * queue.LONGEST_MIN * 60)


def _overdue(lead: ContactState, model: Model, since: float) -> ContactState:
    """The same as a customer whose next purchase has been waited for since then."""
    stake = model.queue.customers.saved * lead.lead
    return replace(
        lead, lead=0, customer=2 * lead.lead, past=lead.lead, paid_orders=2, converted=lead.clock,
        worth=queue.step(stake), curve=OF_CUSTOMERS, since=since,
    )  # fmt: skip


def _bookings(states: Iterable[ContactState], first: int, model: Model) -> Iterator[BookingRow]:
    """Half of each value for its source, the rest for who it is."""
    for number, state in enumerate(states, first):
        half = state.lead // 2
        for line, (factor, amount) in enumerate((("source", half), ("traits", state.lead - half))):
            if amount:
                yield BookingRow(
                    state.id, _event_id(number), line, "lead", factor, amount, model.version, state.created
                )


def _events(first: int, count: int, contacts: int, now: datetime) -> Iterator[EventRow]:
    identity = Identity(email=email_of(0))
    data = EngagementRecorded(identity=identity, kind="page_viewed", what="/pricing?" + "x" * 200)
    body = encode(
        make_event(id=_event_id(0), source="/sources/shop", type="engagement.recorded", time=now, receivedtime=now,
                   subject=f"email:{email_of(0)}", data=data, trust="trusted")
    )  # fmt: skip
    for number in range(first, first + count):
        at = now - timedelta(seconds=number % (365 * _DAY_S))
        yield EventRow(
            _event_id(number), contact_id(number % contacts), "engagement.recorded", at, "filled", number % 12, number,
            body,
        )  # fmt: skip


def _enrolments(first: int, count: int, every: int, now: datetime) -> Iterator[Enrolment]:
    workflow = compile_workflow(WORKFLOW)
    seen = ContactView(
        id=contact_id(0), version=4, currency="EUR", stage="lead", created=now, source="shop", country="DE",
        traits={"company": "firm"}, proven=True,
    )  # fmt: skip
    trigger = Happening(_event_id(0), workflow.trigger.on, now, "/sources/shop", {"kind": "nps", "score": 7})
    begun = begin(workflow, ContactUpdate(trigger, seen, Values(36_000, 0)), now).enrolment
    for number in range(first, first + count):
        of = number * every
        view = replace(seen, id=contact_id(of), email=email_of(of), name=" ".join(name_of(of)))
        at = now - timedelta(seconds=_DAY_S + number % _MONTH_S)
        yield replace(
            begun, id=_event_id(number), contact_id=view.id, contact=view, started_at=at,
            trigger=replace(trigger, id=_event_id(number), time=at),
            waiting=Waiting(now + timedelta(days=1, seconds=number % _MONTH_S)),
        )  # fmt: skip


def _people(
    first: int, count: int, contacts: int, waiting: int, at_risk: int, model: Model, now: datetime
) -> Iterator[Table]:
    states = list(_contacts(first, count, contacts, waiting, at_risk, model, now))
    yield "scoring.bookings", BookingRow._fields, _bookings(states, first, model)
    yield "scoring.identities", ("key", "contact_id"), ((state.keys[0], state.id) for state in states)
    yield "scoring.contacts", CONTACT_COLUMNS, (contact_row(state, state.created) for state in states)


def _history(first: int, count: int, contacts: int, now: datetime) -> Iterator[Table]:
    yield "scoring.events", EventRow._fields, _events(first, count, contacts, now)


def _runs(first: int, count: int, every: int, now: datetime) -> Iterator[Table]:
    runs = list(_enrolments(first, count, every, now))
    yield "nurture.contacts", ("id",), ((run.contact_id,) for run in runs)
    yield "nurture.enrolments", NEW.read, (tuple(read(run) for read in NEW.read.values()) for run in runs)


async def _copy(url: str, what: str, count: int, tables: Callable[[int, int], Iterable[Table]]) -> None:
    """Fill tables with what belongs to so many numbers, some at a time, by two processes."""
    started, loop = time.monotonic(), asyncio.get_running_loop()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        some = [(first, min(_AT_ONCE, count - first)) for first in range(0, count, _AT_ONCE)]
        await asyncio.gather(*(loop.run_in_executor(pool, _copy_some, url, tables, *each) for each in some))
    print(f"filled {count} {what} in {time.monotonic() - started:.0f} s", flush=True)


def _copy_some(url: str, tables: Callable[[int, int], Iterable[Table]], first: int, count: int) -> None:
    async def copy() -> None:
        async with _connected(url) as conn:
            # Waits for no disk, and checks no foreign keys.
            await conn.execute("SET synchronous_commit = off; SET session_replication_role = replica")
            for name, columns, rows in tables(first, count):
                schema, table = name.split(".")
                await conn.copy_records_to_table(table, schema_name=schema, columns=tuple(columns), records=rows)

    asyncio.run(copy())


async def fill_scoring(
    url: str, model: Model, *, contacts: int, events: int = 0, waiting: int = 0, at_risk: int = 0
) -> None:
    """Fill contacts with their identities and bookings, and events. The contacts stand at the values of `model`.

    Of the contacts, the last `waiting` are leads that wait, and the first `at_risk` customers who are overdue.
    """
    now = utc_now()
    people = partial(_people, contacts=contacts, waiting=waiting, at_risk=at_risk, model=model, now=now)
    await _copy(url, "contacts", contacts, people)
    await _copy(url, "events", events, partial(_history, contacts=contacts, now=now))
    async with _connected(url) as conn:
        await conn.execute("INSERT INTO scoring.sweeps (day, after, done) VALUES ($1, $2, true)",
                           now.date(), contact_id(contacts))  # fmt: skip
        await _settle(conn, "scoring.contacts, scoring.identities, scoring.bookings, scoring.events")


async def fill_nurture(url: str, *, enrolments: int, contacts: int) -> None:
    """Fill runs of a workflow that wait for a time to come, of contacts all over the table."""
    workflow = compile_workflow(WORKFLOW)
    every = max(1, contacts // max(1, enrolments))
    async with _connected(url) as conn:
        await conn.execute("INSERT INTO nurture.workflow_versions (name, version, source) VALUES ($1, $2, $3)",
                           workflow.name, workflow.version, workflow.source)  # fmt: skip
        await _copy(url, "enrolments", enrolments, partial(_runs, every=every, now=utc_now()))
        await _settle(conn, "nurture.contacts, nurture.enrolments")


async def _settle(conn: asyncpg.Connection, filled: str) -> None:
    """Leave nothing for later that a database in use has behind it; of an empty table Postgres would note that."""
    await conn.execute(f"VACUUM ANALYZE {filled}")
    await conn.execute("CHECKPOINT")


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(url)
    try:
        yield conn
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
        model = load_scoring(_CONFIG)
        await fill_scoring(given.url, model, contacts=given.contacts, events=given.events, waiting=given.waiting)
        if given.enrolments:
            await fill_nurture(given.url, enrolments=given.enrolments, contacts=given.contacts)

    asyncio.run(fill())


if __name__ == "__main__":
    main()
