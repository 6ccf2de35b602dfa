"""SQL of referrals: who named whom, by a key, and which of those have bought.

Once a customer is erased nothing says whom they were named by, and who named them keeps what they had brought: a row
whose key is nobody's, with their margin.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.customer.advocacy import Brought, margin_brought
from services.scoring.store.contacts.states import readable
from shared.money import MAX_MINOR

_NOTE: Final = sa.text("""
    INSERT INTO referrals AS r (key, contact_id, at)
    SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:contacts AS uuid[]), CAST(:times AS timestamptz[]))
    ON CONFLICT (key, contact_id) DO UPDATE SET at = least(r.at, excluded.at)
""")
_MOVE: Final = (
    sa.text("""
        INSERT INTO referrals AS r (key, contact_id, at, margin)
        SELECT key, n.survivor, min(at), min(margin)
        FROM unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS n (loser, survivor)
            JOIN referrals ON contact_id = loser
        GROUP BY key, n.survivor ORDER BY key, n.survivor
        ON CONFLICT (key, contact_id) DO UPDATE SET at = least(r.at, excluded.at)
    """),
    sa.text("DELETE FROM referrals WHERE contact_id = ANY(CAST(:losers AS uuid[]))"),
)
_FORGET: Final = sa.text("DELETE FROM referrals WHERE contact_id = ANY(CAST(:contacts AS uuid[])) AND margin IS NULL")
_FOLLOWING: Final = sa.text("""
    SELECT DISTINCT contact_id FROM referrals WHERE contact_id > :after ORDER BY contact_id LIMIT :limit
""")
# Of several who named somebody the first counts.
_BROUGHT, _BROUGHT_THESE = (
    sa.text(f"""
        SELECT r.contact_id AS by, r.at, c.id, c.state FROM referrals r
            JOIN identities i ON i.key = r.key JOIN contacts c ON c.id = i.contact_id
        WHERE {whose} = ANY(CAST(:ids AS uuid[])) AND c.id <> r.contact_id
            AND c.stage = 'customer' AND c.merged_into IS NULL AND NOT EXISTS (
                SELECT FROM referrals f WHERE f.key = r.key AND (f.at, f.contact_id) < (r.at, r.contact_id)
            )
        ORDER BY r.contact_id, r.at, c.id
    """)  # noqa: S608 - names of ours
    for whose in ("r.contact_id", "c.id")
)
_EARNED: Final = sa.text("""
    SELECT contact_id, sum(margin) AS margin FROM referrals
    WHERE contact_id = ANY(CAST(:ids AS uuid[])) AND margin IS NOT NULL GROUP BY contact_id
""")
_FORGET_NAMED: Final = sa.text("""
    DELETE FROM referrals WHERE key IN (SELECT key FROM identities WHERE contact_id = ANY(CAST(:ids AS uuid[])))
""")
_EARN: Final = sa.text("""
    INSERT INTO referrals (key, contact_id, at, margin)
    SELECT 'erased:' || gen_random_uuid(), n.contact_id, statement_timestamp(), n.margin
    FROM unnest(CAST(:contacts AS uuid[]), CAST(:margins AS bigint[])) AS n (contact_id, margin)
""")


class Note(NamedTuple):
    """A contact named somebody by this key."""

    key: str
    contact_id: UUID
    at: datetime


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
    """Let these contacts have named nobody who is still known, and keep these notes."""
    await conn.execute(_FORGET, {"contacts": sorted(contacts)})
    await note(conn, notes)


async def following(conn: AsyncConnection, after: UUID, limit: int) -> list[UUID]:
    """The next contacts that named somebody, in the order of their ids."""
    return list((await conn.execute(_FOLLOWING, {"after": after, "limit": limit})).scalars())


async def margins(conn: AsyncConnection, contacts: Sequence[UUID]) -> dict[UUID, int]:
    """What the customers whom each of these named first have brought, in base minor units; also those erased since."""
    # In this order, somebody erased between the two counts for less until the next look, and never twice.
    earned = {row.contact_id: int(row.margin) for row in await conn.execute(_EARNED, {"ids": contacts})}
    brought = margin_brought(await _brought(conn, _BROUGHT, contacts))
    return {each: min(MAX_MINOR, earned.get(each, 0) + brought.get(each, 0)) for each in {*earned, *brought}}


async def forget_named(conn: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Let nobody have named these contacts, who are erased; who named them first keeps what they have brought."""
    brought = margin_brought(await _brought(conn, _BROUGHT_THESE, ids))
    earned = {by: margin for by, margin in sorted(brought.items()) if margin and by not in ids}
    await conn.execute(_FORGET_NAMED, {"ids": ids})
    if earned:
        await conn.execute(_EARN, {"contacts": list(earned), "margins": list(earned.values())})


async def _brought(conn: AsyncConnection, of: sa.TextClause, ids: Sequence[UUID]) -> list[Brought]:
    rows = await conn.execute(of, {"ids": ids})
    return [Brought(row.by, row.at, state) for row, state in readable(rows)]
