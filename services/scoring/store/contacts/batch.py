"""SQL of scoring's batch: lock, write by arrays, one statement a table a batch. What is known first: finding.py."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import tables
from services.scoring.domain.contact.contact import ContactState, decode_state, encode_state, moment
from services.scoring.domain.contact.places import country_said
from services.scoring.domain.contact.words import of_company, said
from services.scoring.domain.model.sources import short_name
from services.scoring.tables import SCHEMA
from shared.db.arrays import Rows, by_name
from shared.db.statement import Statement, copy
from shared.errors import Transient

# In one order for all processes, so that they never deadlock.
_LOCK = Statement("""
    SELECT id, merged_into, state FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE
""")


class _Written(NamedTuple):
    """A contact to write. `said` None: its search words are unchanged. `row`: as which it was seen, if not locked."""

    state: ContactState
    now: datetime
    said: str | None
    row: str = ""


class _Named(NamedTuple):
    """A key and whom it names. As its table's columns."""

    key: str
    contact_id: UUID


def _name_of(state: ContactState, what: str) -> str | None:
    first = getattr(state.journey, what, None)
    return None if first is None else first.name


_CONTACT: Final[Mapping[str, Callable[[_Written], Any]]] = {
    "id": lambda row: row.state.id,
    "version": lambda row: row.state.version,
    "stage": lambda row: row.state.stage,
    "lead_value": lambda row: row.state.lead,
    "customer_value": lambda row: row.state.customer,
    "model": lambda row: row.state.model,
    "open_since": lambda row: (
        moment(row.state.captured) if row.state.open_lead and row.state.captured is not None else None
    ),
    "touched_at": lambda row: None if row.state.touched is None else moment(row.state.touched),
    "created_at": lambda row: row.state.created,
    "updated_at": lambda row: row.now,
    "said": lambda row: row.said,
    "company": lambda row: of_company(row.state),
    "source": lambda row: short_name(row.state.source) or None,
    "asked_at": lambda row: None if row.state.first_source is None else moment(row.state.first_source[0]),
    "campaign": lambda row: _name_of(row.state, "campaign"),
    "via": lambda row: _name_of(row.state, "via"),
    "country": lambda row: country_said(row.state.get("trait:country")),
    "worth": lambda row: row.state.worth,
    "curve": lambda row: None if row.state.worth is None else row.state.curve,
    "waits_since": lambda row: None if (since := row.state.waits_since) is None else moment(since),
    "state": lambda row: encode_state(row.state),
}
CONTACT_COLUMNS: Final = tuple(_CONTACT)
_NEW: Final = Rows(tables.contacts, _CONTACT, "new_")
_OLD: Final = Rows(tables.contacts, _CONTACT, "old_")
_SEEN: Final = Rows(tables.contacts, {**_CONTACT, "row": lambda row: row.row}, "old_", beside={"row": "text"})
_NAMED: Final[Rows[_Named]] = Rows(tables.identities, by_name(_Named), "named_")
INSERTED_CONTACTS: Final = _NEW.inserted()
_SET: Final = {name: f"u.{name}" for name in _CONTACT if name != "id"} | {"said": "coalesce(u.said, c.said)"}


def _updated(rows: Rows[_Written]) -> str:
    return f"""
        UPDATE contacts AS c SET {", ".join(f"{name} = {value}" for name, value in _SET.items())}
        FROM {rows.unnested} WHERE c.id = u.id
    """  # noqa: S608 - names of ours


UPDATED_CONTACTS: Final = _updated(_OLD)
UPDATED_AS_SEEN: Final = f'{_updated(_SEEN)} AND CAST(c.xmin AS text) = u."row"'
INSERTED_IDENTITIES: Final = f"{_NAMED.inserted()} ON CONFLICT (key) DO NOTHING"
_INSERT_CONTACTS = Statement(INSERTED_CONTACTS)
_UPDATE_CONTACTS = Statement(UPDATED_CONTACTS)
_INSERT_IDENTITIES = Statement(INSERTED_IDENTITIES)
_POINT_IDENTITIES = Statement(f"""
    UPDATE identities AS i SET contact_id = u.contact_id FROM {_NAMED.unnested} WHERE i.key = u.key
""")  # noqa: S608 - names of ours
_MERGED: Final = "unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS n (loser, survivor)"


def moved(table: str) -> str:
    """SQL that gives what each loser has in the table to its survivor."""
    return f"UPDATE {table} AS t SET contact_id = n.survivor FROM {_MERGED} WHERE t.contact_id = n.loser"  # noqa: S608 - names of columns, no input


_MERGE = (
    sa.text(f"""
        UPDATE contacts AS c SET merged_into = n.survivor, lead_value = 0, customer_value = 0, worth = NULL,
            curve = NULL, waits_since = NULL, version = c.version + 1
        FROM {_MERGED} WHERE c.id = n.loser
    """),  # noqa: S608 - names of columns, no input
    sa.text(moved("identities")),
    sa.text(moved("bookings")),
    # Of all open claims on merged contacts the oldest that has not run out stays: the survivor has one holder, neither
    # two nor none.
    sa.text(f"""
        WITH mine AS (
            SELECT k.id, row_number() OVER (
                PARTITION BY coalesce(n.survivor, k.contact_id)
                ORDER BY k.until <= statement_timestamp(), k.since, k.id
            ) AS place
            FROM claims k LEFT JOIN {_MERGED}
                ON k.contact_id = n.loser
            WHERE k.ended_at IS NULL
                AND (n.loser IS NOT NULL OR k.contact_id = ANY(CAST(:survivors AS uuid[])))
        )
        UPDATE claims k SET ended_at = statement_timestamp(), ended = 'merged', told = false
        FROM mine WHERE k.id = mine.id AND mine.place > 1
    """),  # noqa: S608 - names of columns, no input
    sa.text(moved("claims")),
    sa.text(moved("events")),
)
_UNPUBLISHED = sa.text("""
    SELECT body FROM updates
    WHERE topic = :topic AND partition = :partition AND "offset" >= :first AND "offset" < :end ORDER BY "offset"
""")
# The published mark is that of an earlier batch's transaction: Kafka has acknowledged all before it.
FORGOTTEN_UPDATES: Final = """
    DELETE FROM updates u
    USING unnest(CAST(:{prefix}_topic AS text[]), CAST(:{prefix}_partition AS int[])) AS n (topic, partition)
        JOIN consumer_offsets o USING (topic, partition)
    WHERE u.topic = n.topic AND u.partition = n.partition AND u."offset" < o.published
"""
_FORGET_PUBLISHED = Statement(FORGOTTEN_UPDATES.format(prefix="of"))


class EventRow(NamedTuple):
    """One event; `contact_id` None when it is about no contact. As its table's columns."""

    id: UUID
    contact_id: UUID | None
    type: str
    time: datetime
    topic: str
    partition: int
    offset: int
    body: bytes


class UpdateRow(NamedTuple):
    """The update made from the event at this offset. As its table's columns."""

    topic: str
    partition: int
    offset: int
    body: bytes


class BookingRow(NamedTuple):
    """One booking, with what it belongs to. As its table's columns."""

    contact_id: UUID
    event_id: UUID
    line: int
    account: str
    factor: str
    amount: int
    model: str
    time: datetime


async def lock_contacts(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, ContactState]:
    """The states of these contacts, locked. Raises Transient when one was merged since its identities were read."""
    found: dict[UUID, ContactState] = {}
    for contact_id, merged_into, state in await _LOCK.rows(conn, {"ids": ids}):
        if merged_into is not None:
            raise Transient("a contact was merged by another process meanwhile")
        found[contact_id] = decode_state(state)
    return found


def contact_row(state: ContactState, now: datetime) -> tuple[Any, ...]:
    """A contact as its table's columns, CONTACT_COLUMNS."""
    written = _Written(state, now, said(state))
    return tuple(read(written) for read in _CONTACT.values())


def new_contacts(states: Sequence[ContactState], now: datetime) -> dict[str, list[Any]]:
    """The arrays of INSERTED_CONTACTS."""
    return _NEW.arrays([_Written(state, now, said(state)) for state in states])


def old_contacts(states: Sequence[ContactState], now: datetime, told: Collection[UUID] | None) -> dict[str, list[Any]]:
    """The arrays of UPDATED_CONTACTS. `told`: those of whom something new was said; None: any."""
    return _OLD.arrays(
        [_Written(state, now, said(state) if told is None or state.id in told else None) for state in states]
    )


def seen_contacts(
    states: Sequence[ContactState], now: datetime, told: Collection[UUID], rows: Mapping[UUID, str]
) -> dict[str, list[Any]]:
    """The arrays of UPDATED_AS_SEEN. `told`: as in `old_contacts`; `rows`: as which each contact was seen."""
    return _SEEN.arrays(
        [_Written(state, now, said(state) if state.id in told else None, rows[state.id]) for state in states]
    )


def names(keys: Mapping[str, UUID]) -> dict[str, list[Any]]:
    """The arrays of INSERTED_IDENTITIES, in one order for all processes."""
    return _NAMED.arrays([_Named(key, keys[key]) for key in sorted(keys)])


async def insert_contacts(conn: AsyncConnection, states: Sequence[ContactState], now: datetime) -> None:
    await _INSERT_CONTACTS.run(conn, new_contacts(states, now))


async def update_contacts(
    conn: AsyncConnection, states: Sequence[ContactState], now: datetime, *, told: Collection[UUID] | None = None
) -> None:
    """Write changed contacts, once each; they are locked. `told`: those of whom something new was said; None: any."""
    await _UPDATE_CONTACTS.run(conn, old_contacts(states, now, told))


async def insert_identities(conn: AsyncConnection, keys: Mapping[str, UUID]) -> None:
    """Claim keys that nobody had. Raises Transient when another process was faster with one: repeat the batch."""
    all_ours(await _INSERT_IDENTITIES.run(conn, names(keys)), keys)


def all_ours(written: int, keys: Mapping[str, UUID]) -> None:
    """Raises Transient unless as many keys were written as there are."""
    if written != len(keys):
        raise Transient("another process gave one of these identities to a contact meanwhile")


async def point_identities(conn: AsyncConnection, keys: Mapping[str, UUID]) -> None:
    """Let known keys point to another contact."""
    await _POINT_IDENTITIES.run(conn, names(keys))


async def insert_events(conn: AsyncConnection, rows: Sequence[EventRow]) -> None:
    """Write events with the result of each. Raises Transient when another process writes one of them too."""
    try:
        await copy(conn, "events", EventRow._fields, rows, schema=SCHEMA)
    except asyncpg.UniqueViolationError as error:
        raise folded_elsewhere() from error


def folded_elsewhere() -> Transient:
    """Another process has just folded a copy of one of them: when repeated, the batch finds it known."""
    return Transient("another process was folding one of these events")


async def insert_updates(conn: AsyncConnection, rows: Sequence[UpdateRow]) -> None:
    """Write the updates to publish after the commit; delete the published ones of their partitions."""
    places = sorted({(row.topic, row.partition) for row in rows})
    topics, partitions = [topic for topic, _ in places], [partition for _, partition in places]
    await _FORGET_PUBLISHED.run(conn, {"of_topic": topics, "of_partition": partitions})
    await copy(conn, "updates", UpdateRow._fields, rows, schema=SCHEMA)


async def insert_bookings(conn: AsyncConnection, rows: Sequence[BookingRow]) -> None:
    await copy(conn, "bookings", BookingRow._fields, rows, schema=SCHEMA)


async def merge(conn: AsyncConnection, merges: Mapping[UUID, UUID]) -> None:
    """Move everything of each loser to its survivor. Both are locked; no survivor is itself a loser."""
    losers = sorted(merges)
    given = {"losers": losers, "survivors": [merges[loser] for loser in losers]}
    for statement in _MERGE:
        await conn.execute(statement, given)


async def unpublished(conn: AsyncConnection, topic: str, partition: int, first: int, end: int) -> list[bytes]:
    """The stored updates of these offsets, in order."""
    rows = await conn.execute(_UNPUBLISHED, {"topic": topic, "partition": partition, "first": first, "end": end})
    return [bytes(row.body) for row in rows]
