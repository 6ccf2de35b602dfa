"""All SQL of scoring's batch: read what is known, lock, write by arrays. One statement a table a batch."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact import ContactState, decode_state, encode_state, moment
from services.scoring.domain.words import said
from services.scoring.tables import SCHEMA
from shared.errors import Transient

_KNOWN = sa.text("SELECT id FROM events WHERE id = ANY(CAST(:ids AS uuid[]))")
_IDENTITIES = sa.text("SELECT key, contact_id FROM identities WHERE key = ANY(CAST(:keys AS text[]))")
_SURVIVORS = sa.text("""
    WITH RECURSIVE trail AS (
        SELECT id AS asked, id, merged_into FROM contacts WHERE id = ANY(CAST(:ids AS uuid[]))
        UNION ALL
        SELECT trail.asked, c.id, c.merged_into FROM trail JOIN contacts c ON c.id = trail.merged_into
    )
    SELECT asked, id FROM trail WHERE merged_into IS NULL
""")
# In one order for all processes, so that two of them never wait for each other in a circle.
_LOCK = sa.text("""
    SELECT id, merged_into, state FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE
""")
_INSERT_CONTACTS = sa.text("""
    INSERT INTO contacts
        (id, version, stage, lead_value, customer_value, model, open_since, touched_at, created_at, updated_at,
         said, state)
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:versions AS bigint[]), CAST(:stages AS text[]), CAST(:leads AS bigint[]),
        CAST(:customers AS bigint[]), CAST(:models AS text[]), CAST(:open_since AS timestamptz[]),
        CAST(:touched AS timestamptz[]), CAST(:created AS timestamptz[]), CAST(:updated AS timestamptz[]),
        CAST(:said AS text[]), CAST(:states AS bytea[])
    )
""")
_UPDATE_CONTACTS = sa.text("""
    UPDATE contacts AS c SET version = n.version, stage = n.stage, lead_value = n.lead, customer_value = n.customer,
        model = n.model, open_since = n.open_since, touched_at = n.touched, created_at = n.created,
        updated_at = n.updated, said = coalesce(n.said, c.said), state = n.state
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:versions AS bigint[]), CAST(:stages AS text[]), CAST(:leads AS bigint[]),
        CAST(:customers AS bigint[]), CAST(:models AS text[]), CAST(:open_since AS timestamptz[]),
        CAST(:touched AS timestamptz[]), CAST(:created AS timestamptz[]), CAST(:updated AS timestamptz[]),
        CAST(:said AS text[]), CAST(:states AS bytea[])
    ) AS n (id, version, stage, lead, customer, model, open_since, touched, created, updated, said, state)
    WHERE c.id = n.id
""")
_INSERT_IDENTITIES = sa.text("""
    INSERT INTO identities (key, contact_id)
    SELECT key, contact_id FROM unnest(CAST(:keys AS text[]), CAST(:contacts AS uuid[])) AS n (key, contact_id)
    ON CONFLICT (key) DO NOTHING
""")
_POINT_IDENTITIES = sa.text("""
    UPDATE identities AS i SET contact_id = n.contact_id
    FROM unnest(CAST(:keys AS text[]), CAST(:contacts AS uuid[])) AS n (key, contact_id)
    WHERE i.key = n.key
""")
_MERGE = (
    sa.text("""
        UPDATE contacts AS c SET merged_into = n.survivor, lead_value = 0, customer_value = 0, version = c.version + 1
        FROM unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS n (loser, survivor) WHERE c.id = n.loser
    """),
    sa.text("""
        UPDATE identities AS i SET contact_id = n.survivor
        FROM unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS n (loser, survivor)
        WHERE i.contact_id = n.loser
    """),
    sa.text("""
        UPDATE bookings AS b SET contact_id = n.survivor
        FROM unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS n (loser, survivor)
        WHERE b.contact_id = n.loser
    """),
    # Of all open claims on what is one contact now the oldest stays; nobody is left with two holders, nor with none.
    sa.text("""
        WITH mine AS (
            SELECT k.id, row_number() OVER (
                PARTITION BY coalesce(n.survivor, k.contact_id) ORDER BY k.since, k.id
            ) AS place
            FROM claims k LEFT JOIN unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS n (loser, survivor)
                ON k.contact_id = n.loser
            WHERE k.ended_at IS NULL
                AND (n.loser IS NOT NULL OR k.contact_id = ANY(CAST(:survivors AS uuid[])))
        )
        UPDATE claims k SET ended_at = statement_timestamp(), ended = 'merged', told = false
        FROM mine WHERE k.id = mine.id AND mine.place > 1
    """),
    sa.text("""
        UPDATE claims AS k SET contact_id = n.survivor
        FROM unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS n (loser, survivor)
        WHERE k.contact_id = n.loser
    """),
    sa.text("""
        UPDATE events AS e SET contact_id = n.survivor
        FROM unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS n (loser, survivor)
        WHERE e.contact_id = n.loser
    """),
)
_UNPUBLISHED = sa.text("""
    SELECT body FROM updates
    WHERE topic = :topic AND partition = :partition AND "offset" >= :first AND "offset" < :end ORDER BY "offset"
""")
# The mark is as the transaction of an earlier batch left it: only what Kafka has acknowledged lies before it.
_FORGET_PUBLISHED = sa.text("""
    DELETE FROM updates u
    USING unnest(CAST(:topics AS text[]), CAST(:partitions AS int[])) AS n (topic, partition)
        JOIN consumer_offsets o USING (topic, partition)
    WHERE u.topic = n.topic AND u.partition = n.partition AND u."offset" < o.published
""")


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
    """The update that came of the event at this place. As its table's columns."""

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


async def known_events(conn: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these events have been folded already."""
    return set((await conn.execute(_KNOWN, {"ids": ids})).scalars())


async def identities(conn: AsyncConnection, keys: Sequence[str]) -> dict[str, UUID]:
    """Whom the keys name, of those that are known."""
    return {row.key: row.contact_id for row in await conn.execute(_IDENTITIES, {"keys": keys})}


async def survivors(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The contact that each of these has become; a contact nobody knows is left out."""
    return {row.asked: row.id for row in await conn.execute(_SURVIVORS, {"ids": ids})}


async def lock_contacts(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, ContactState]:
    """The states of these contacts, locked. Raises Transient when one was merged since its identities were read."""
    found: dict[UUID, ContactState] = {}
    for row in await conn.execute(_LOCK, {"ids": ids}):
        if row.merged_into is not None:
            raise Transient("a contact was merged by another process meanwhile")
        found[row.id] = decode_state(row.state)
    return found


def _columns(
    states: Sequence[ContactState], now: datetime, told: Collection[UUID] | None = None
) -> dict[str, list[Any]]:
    return {
        "ids": [s.id for s in states],
        "versions": [s.version for s in states],
        "stages": [s.stage for s in states],
        "leads": [s.lead for s in states],
        "customers": [s.customer for s in states],
        "models": [s.model for s in states],
        "open_since": [moment(s.captured) if s.captured is not None and s.open_lead else None for s in states],
        "touched": [None if s.touched is None else moment(s.touched) for s in states],
        "created": [s.created for s in states],
        "updated": [now] * len(states),
        "said": [said(s) if told is None or s.id in told else None for s in states],
        "states": [encode_state(s) for s in states],
    }


async def insert_contacts(conn: AsyncConnection, states: Sequence[ContactState], now: datetime) -> None:
    """Write new contacts."""
    await conn.execute(_INSERT_CONTACTS, _columns(states, now))


async def update_contacts(
    conn: AsyncConnection, states: Sequence[ContactState], now: datetime, *, told: Collection[UUID] | None = None
) -> None:
    """Write changed contacts, once each; they are locked. `told`: those of whom something new was said; None: any."""
    await conn.execute(_UPDATE_CONTACTS, _columns(states, now, told))


async def insert_identities(conn: AsyncConnection, keys: Mapping[str, UUID]) -> None:
    """Claim keys that nobody had. Raises Transient when another process was faster with one: repeat the batch."""
    names = sorted(keys)
    result = await conn.execute(_INSERT_IDENTITIES, {"keys": names, "contacts": [keys[name] for name in names]})
    if result.rowcount != len(names):
        raise Transient("another process gave one of these identities to a contact meanwhile")


async def point_identities(conn: AsyncConnection, keys: Mapping[str, UUID]) -> None:
    """Let known keys point to another contact."""
    names = sorted(keys)
    await conn.execute(_POINT_IDENTITIES, {"keys": names, "contacts": [keys[name] for name in names]})


async def insert_events(conn: AsyncConnection, rows: Sequence[EventRow]) -> None:
    """Write events with what came of each. Raises Transient when another process writes one of them too."""
    try:
        await _copy(conn, "events", EventRow._fields, rows)
    except asyncpg.UniqueViolationError as error:
        # Another process folded a copy of one of them at this moment: repeated, the batch finds it known.
        raise Transient("another process was folding one of these events") from error


async def insert_updates(conn: AsyncConnection, rows: Sequence[UpdateRow]) -> None:
    """Write the updates to be published once this is committed; forget those of their partitions that have been."""
    places = sorted({(row.topic, row.partition) for row in rows})
    topics, partitions = [topic for topic, _ in places], [partition for _, partition in places]
    await conn.execute(_FORGET_PUBLISHED, {"topics": topics, "partitions": partitions})
    await _copy(conn, "updates", UpdateRow._fields, rows)


async def insert_bookings(conn: AsyncConnection, rows: Sequence[BookingRow]) -> None:
    """Write bookings."""
    await _copy(conn, "bookings", BookingRow._fields, rows)


async def _copy(conn: AsyncConnection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """COPY in the transaction that an earlier statement of this batch has begun: cheaper than arrays at both ends."""
    driver = (await conn.get_raw_connection()).driver_connection
    assert driver is not None
    await driver.copy_records_to_table(table, schema_name=SCHEMA, columns=columns, records=rows)


async def merge(conn: AsyncConnection, merges: Mapping[UUID, UUID]) -> None:
    """Let everything of each loser follow its survivor. Both are locked; survivors are no losers themselves."""
    losers = sorted(merges)
    given = {"losers": losers, "survivors": [merges[loser] for loser in losers]}
    for statement in _MERGE:
        await conn.execute(statement, given)


async def unpublished(conn: AsyncConnection, topic: str, partition: int, first: int, end: int) -> list[bytes]:
    """The updates of these offsets as they were stored, in order."""
    rows = await conn.execute(_UNPUBLISHED, {"topic": topic, "partition": partition, "first": first, "end": end})
    return [bytes(row.body) for row in rows]
