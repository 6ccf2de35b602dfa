"""SQL of referrals: who named whom, by a key, and which of those have bought."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact.contact import ContactState
from services.scoring.store.contacts.states import readable

_NOTE: Final = sa.text("""
    INSERT INTO referrals AS r (key, contact_id, at)
    SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:contacts AS uuid[]), CAST(:times AS timestamptz[]))
    ON CONFLICT (key, contact_id) DO UPDATE SET at = least(r.at, excluded.at)
""")
_MOVE: Final = (
    sa.text("""
        INSERT INTO referrals AS r (key, contact_id, at)
        SELECT key, n.survivor, min(at)
        FROM unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS n (loser, survivor)
            JOIN referrals ON contact_id = loser
        GROUP BY key, n.survivor ORDER BY key, n.survivor
        ON CONFLICT (key, contact_id) DO UPDATE SET at = least(r.at, excluded.at)
    """),
    sa.text("DELETE FROM referrals WHERE contact_id = ANY(CAST(:losers AS uuid[]))"),
)
_FORGET: Final = sa.text("DELETE FROM referrals WHERE contact_id = ANY(CAST(:contacts AS uuid[]))")
_FOLLOWING: Final = sa.text("""
    SELECT DISTINCT contact_id FROM referrals WHERE contact_id > :after ORDER BY contact_id LIMIT :limit
""")
# Of several who named somebody the first counts.
_BROUGHT: Final = sa.text("""
    SELECT r.contact_id AS by, r.at, c.id, c.state FROM referrals r
        JOIN identities i ON i.key = r.key JOIN contacts c ON c.id = i.contact_id
    WHERE r.contact_id = ANY(CAST(:ids AS uuid[])) AND c.id <> r.contact_id
        AND c.stage = 'customer' AND c.merged_into IS NULL AND NOT EXISTS (
            SELECT FROM referrals f WHERE f.key = r.key AND (f.at, f.contact_id) < (r.at, r.contact_id)
        )
    ORDER BY r.contact_id, r.at, c.id
""")


class Note(NamedTuple):
    """A contact named somebody by this key."""

    key: str
    contact_id: UUID
    at: datetime


class Brought(NamedTuple):
    """A customer whom a contact named first, and when."""

    by: UUID
    at: datetime
    state: ContactState


async def note(conn: AsyncConnection, notes: Sequence[Note]) -> None:
    """Keep who named whom, each pair once, in one order for all processes."""
    first: dict[tuple[str, UUID], datetime] = {}
    for each in notes:
        pair = (each.key, each.contact_id)
        first[pair] = min(first.get(pair, each.at), each.at)
    pairs = sorted(first)
    given = {
        "keys": [key for key, _ in pairs],
        "contacts": [contact for _, contact in pairs],
        "times": [first[pair] for pair in pairs],
    }
    await conn.execute(_NOTE, given)


async def move(conn: AsyncConnection, merges: Mapping[UUID, UUID]) -> None:
    """Let what each loser named be the survivor's."""
    losers = sorted(merges)
    for statement in _MOVE:
        await conn.execute(statement, {"losers": losers, "survivors": [merges[loser] for loser in losers]})


async def again(conn: AsyncConnection, contacts: Sequence[UUID], notes: Sequence[Note]) -> None:
    """Let these contacts have named nobody, and keep these notes."""
    await conn.execute(_FORGET, {"contacts": sorted(contacts)})
    await note(conn, notes)


async def following(conn: AsyncConnection, after: UUID, limit: int) -> list[UUID]:
    """The next contacts that named somebody, in the order of their ids."""
    return list((await conn.execute(_FOLLOWING, {"after": after, "limit": limit})).scalars())


async def brought(conn: AsyncConnection, contacts: Sequence[UUID]) -> list[Brought]:
    """The customers whom each of these named first."""
    rows = await conn.execute(_BROUGHT, {"ids": contacts})
    return [Brought(row.by, row.at, state) for row, state in readable(rows)]
