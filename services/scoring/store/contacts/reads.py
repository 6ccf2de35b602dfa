"""Queries of the read API. None of them takes a lock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact.contact import ContactState, decode_state
from services.scoring.domain.contact.words import Spellings, begins
from services.scoring.store.contacts.states import readable
from shared.events.updates import Booking

Words: TypeAlias = Literal["said", "company"]
"""Which words are searched: all, or those of the company alone."""

_FEW: Final = 1000  # contacts that a search reads
_BY_KEY = sa.text("""
    SELECT c.state, c.updated_at FROM identities i JOIN contacts c ON c.id = i.contact_id
    WHERE i.key = ANY(CAST(:keys AS text[])) ORDER BY array_position(CAST(:keys AS text[]), i.key) LIMIT 1
""")
_TRAIL = """
    WITH RECURSIVE trail AS (
        SELECT id, merged_into FROM contacts WHERE id = :id
        UNION ALL
        SELECT c.id, c.merged_into FROM trail JOIN contacts c ON c.id = trail.merged_into
    )
"""
_WHO = sa.text(f"{_TRAIL} SELECT id FROM trail WHERE merged_into IS NULL")  # noqa: S608 - no input
_WHOSE = sa.text("""
    SELECT contact_id FROM identities WHERE key = ANY(CAST(:keys AS text[]))
    ORDER BY array_position(CAST(:keys AS text[]), key) LIMIT 1
""")
_BY_ID = sa.text(f"""
    {_TRAIL}
    SELECT c.state, c.updated_at FROM trail JOIN contacts c USING (id) WHERE trail.merged_into IS NULL
""")  # noqa: S608 - no input
_LIST = sa.text("""
    SELECT id, state, updated_at FROM contacts WHERE merged_into IS NULL AND id > :after ORDER BY id LIMIT :limit
""")
_BOOKINGS = {
    newest: sa.text(f"""
        SELECT b.event_id, b.line, b.account, b.factor, b.amount, b.model, b.time, e.type
        FROM bookings b LEFT JOIN events e ON e.id = b.event_id
        WHERE b.contact_id = :id AND (b.time, b.event_id, b.line) {beyond} (:time, :event, :line)
            AND (CAST(:kind AS text) IS NULL OR b.factor = :kind)
        ORDER BY b.time {way}, b.event_id {way}, b.line {way} LIMIT :limit
    """)  # noqa: S608 - words of ours
    for newest, beyond, way in ((False, ">", "ASC"), (True, "<", "DESC"))
}
_EVENTS = {
    newest: sa.text(f"""
        SELECT id, type, time, body FROM events
        WHERE contact_id = :id AND (time, id) {beyond} (:time, :event)
            AND (CAST(:kind AS text) IS NULL OR type = :kind)
        ORDER BY time {way}, id {way} LIMIT :limit
    """)  # noqa: S608 - words of ours
    for newest, beyond, way in ((False, ">", "ASC"), (True, "<", "DESC"))
}
_FACTORS = sa.text("""
    SELECT account, factor, sum(amount) AS amount, count(*) AS bookings FROM bookings
    WHERE contact_id = :id GROUP BY account, factor ORDER BY account, factor
""")
_IDENTITIES = sa.text("SELECT key FROM identities WHERE contact_id = :id ORDER BY key LIMIT 1000")
# The prefix of any word; an index holds the words of each contact, another those of its company (see tables.py).
_SEARCH, _SAID = (
    {
        column: sa.text(f"""
            SELECT id, {what.format(column=column)} FROM contacts
            WHERE to_tsvector('simple', {column}) @@ CAST(:words AS tsquery) AND {column} IS NOT NULL
                AND merged_into IS NULL LIMIT :limit
        """)  # noqa: S608 - names of ours
        for column in get_args(Words)
    }
    for what in ("state, updated_at", "{column} AS said")
)
_THESE = sa.text("SELECT id, state, updated_at FROM contacts WHERE id = ANY(CAST(:ids AS uuid[]))")
_REASONS = sa.text("""
    SELECT contact_id, factor, sum(amount) AS amount FROM bookings
    WHERE contact_id = ANY(CAST(:ids AS uuid[])) AND account = 'lead' GROUP BY contact_id, factor
""")


@dataclass(frozen=True, slots=True)
class StoredContact:
    """A contact as stored, and when it last changed."""

    state: ContactState
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredBooking:
    """A booking with the event that made it; `event_type` None: no event did, or it is no longer stored."""

    event_id: UUID
    line: int
    event_type: str | None
    time: datetime
    booking: Booking


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of a contact, as it came."""

    id: UUID
    type: str
    time: datetime
    body: bytes


def _contact(row: Any) -> StoredContact:
    return StoredContact(decode_state(row.state), row.updated_at)


def _contacts(rows: Iterable[Any]) -> list[StoredContact]:
    return [StoredContact(state, row.updated_at) for row, state in readable(rows)]


async def by_keys(conn: AsyncConnection, keys: Sequence[str]) -> StoredContact | None:
    """The contact of the first of these keys that is known."""
    row = (await conn.execute(_BY_KEY, {"keys": keys})).one_or_none()
    return _contact(row) if row is not None else None


async def who(conn: AsyncConnection, contact_id: UUID) -> UUID | None:
    """The id of the contact, or of what it was merged into, if there is one."""
    found: UUID | None = (await conn.execute(_WHO, {"id": contact_id})).scalar_one_or_none()
    return found


async def whose(conn: AsyncConnection, keys: Sequence[str]) -> UUID | None:
    """The id of the contact of the first of these keys that is known."""
    found: UUID | None = (await conn.execute(_WHOSE, {"keys": keys})).scalar_one_or_none()
    return found


async def by_id(conn: AsyncConnection, contact_id: UUID) -> StoredContact | None:
    """The contact, or what it was merged into."""
    row = (await conn.execute(_BY_ID, {"id": contact_id})).one_or_none()
    return _contact(row) if row is not None else None


async def page(conn: AsyncConnection, after: UUID, limit: int) -> tuple[list[StoredContact], UUID | None]:
    """Contacts in the order of their ids, where they can be read, and after whom there may be more."""
    rows = (await conn.execute(_LIST, {"after": after, "limit": limit})).all()
    return _contacts(rows), rows[-1].id if len(rows) == limit else None


async def bookings(
    conn: AsyncConnection,
    contact_id: UUID,
    after: tuple[datetime, UUID, int],
    limit: int,
    *,
    newest: bool = False,
    kind: str | None = None,
) -> list[StoredBooking]:
    """A contact's bookings in the order of their events' times, or the newest first; of one factor, if it is named."""
    time, event, line = after
    given = {"id": contact_id, "time": time, "event": event, "line": line, "limit": limit, "kind": kind}
    return [
        StoredBooking(
            row.event_id, row.line, row.type, row.time, Booking(row.account, row.factor, row.amount, row.model)
        )
        for row in await conn.execute(_BOOKINGS[newest], given)
    ]


async def events(
    conn: AsyncConnection,
    contact_id: UUID,
    after: tuple[datetime, UUID],
    limit: int,
    *,
    newest: bool = False,
    kind: str | None = None,
) -> list[StoredEvent]:
    """A contact's events in the order of their times, or the newest first; of one type, if it is named."""
    given = {"id": contact_id, "time": after[0], "event": after[1], "limit": limit, "kind": kind}
    rows = await conn.execute(_EVENTS[newest], given)
    return [StoredEvent(row.id, row.type, row.time, bytes(row.body)) for row in rows]


async def factors(conn: AsyncConnection, contact_id: UUID) -> list[tuple[str, str, int, int]]:
    """Account, factor, the sum of its bookings, their number."""
    rows = await conn.execute(_FACTORS, {"id": contact_id})
    return [(row.account, row.factor, int(row.amount), row.bookings) for row in rows]


async def identities(conn: AsyncConnection, contact_id: UUID) -> list[str]:
    """The keys of a contact."""
    return list((await conn.execute(_IDENTITIES, {"id": contact_id})).scalars())


async def search(
    conn: AsyncConnection, words: Sequence[Spellings], limit: int, *, among: Words = "said", few: int = _FEW
) -> list[StoredContact]:
    """Contacts that have, for each of these, a word that begins with it. `words`: only letters, digits and @._-.

    Whole words come first: a common name is the beginning of as many addresses, each a word of its own in the index.
    Of several words the longest is looked for alone if fewer than `few` have it, and the others in what they say: the
    index would read all that the shortest is the beginning of.
    """
    if len(words) > 1 and (having := await _having(conn, words, among, few)) is not None:
        return _contacts(await conn.execute(_THESE, {"ids": having[:limit]}))
    for mark in ("", ":*"):
        asked = " & ".join(_any_of(word, mark) for word in words)
        found = _contacts(await conn.execute(_SEARCH[among], {"words": asked, "limit": limit}))
        if len(found) == limit:
            break
    return found


def _any_of(word: Spellings, mark: str) -> str:
    return "(" + " | ".join(f"'{each}'{mark}" for each in word) + ")"


async def _having(conn: AsyncConnection, words: Sequence[Spellings], among: Words, few: int) -> list[UUID] | None:
    """Who has all of them, whole words first; None: `few` or more have the longest."""
    longest = max(words, key=lambda word: min(map(len, word)))
    rows = (await conn.execute(_SAID[among], {"words": _any_of(longest, ":*"), "limit": few})).all()
    if len(rows) == few:
        return None
    said = {row.id: row.said.split() for row in rows}
    having = [who for who, theirs in said.items() if all(begins(theirs, word) for word in words)]
    return sorted(having, key=lambda who: not all(set(word) & set(said[who]) for word in words))


async def reasons(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """What each factor adds to the lead value of each contact, in base minor units."""
    found: dict[UUID, dict[str, int]] = {}
    for row in await conn.execute(_REASONS, {"ids": ids}):
        found.setdefault(row.contact_id, {})[row.factor] = int(row.amount)
    return found
