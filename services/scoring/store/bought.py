"""What each contact has bought, and how many bought two items: counted with the batch, never on a request.

Every buyer also has the item '' (EVERYBODY). So one table holds the pairs, the buyers of each item (paired with
EVERYBODY) and the number of buyers (EVERYBODY paired with itself).
"""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import tables
from shared.db.arrays import Rows, by_place

EVERYBODY: Final = ""
MOST_ITEMS: Final = 200  # of a contact: its first ones, as a bound
_MOST_OTHERS: Final = 200  # of an item

_ROWS: Final[Rows[tuple[UUID, str]]] = Rows(tables.bought, by_place("contact_id", "item"))
_ADD = sa.text(f"""
    INSERT INTO bought (contact_id, item)
    SELECT contact_id, item FROM {_ROWS.unnested}
    WHERE (SELECT count(*) FROM bought b WHERE b.contact_id = u.contact_id) < :most
    ORDER BY contact_id, item ON CONFLICT DO NOTHING RETURNING contact_id, item
""")  # noqa: S608 - names of columns, no input
# In one order for all processes, so that they never deadlock.
_COUNT = sa.text(f"""
    INSERT INTO bought_together AS t (item, other, buyers)
    SELECT a.item, b.item, count(*) FROM bought a JOIN bought b ON b.contact_id = a.contact_id
    WHERE a.contact_id = ANY(CAST(:contact_id AS uuid[])) AND EXISTS (
        SELECT FROM {_ROWS.unnested}
        WHERE u.contact_id = a.contact_id AND u.item IN (a.item, b.item)
    ) GROUP BY a.item, b.item ORDER BY a.item, b.item
    ON CONFLICT (item, other) DO UPDATE SET buyers = t.buyers + excluded.buyers
""")  # noqa: S608 - names of columns, no input
# Once two contacts are merged, what either bought counts once.
_TAKE = sa.text("""
    WITH gone AS (DELETE FROM bought WHERE contact_id = ANY(CAST(:members AS uuid[])) RETURNING contact_id, item),
    counted AS (
        UPDATE bought_together AS t SET buyers = t.buyers - n.buyers FROM (
            SELECT a.item, b.item AS other, count(*) AS buyers FROM gone a JOIN gone b ON b.contact_id = a.contact_id
            GROUP BY a.item, b.item
        ) AS n WHERE t.item = n.item AND t.other = n.other
    )
    SELECT contact_id, item FROM gone
""")
_DROP = sa.text("DELETE FROM bought WHERE contact_id = ANY(CAST(:contacts AS uuid[]))")
_RECOUNT = (
    sa.text("DELETE FROM bought_together"),
    sa.text("""
        INSERT INTO bought_together (item, other, buyers) SELECT a.item, b.item, count(*)
        FROM bought a JOIN bought b ON b.contact_id = a.contact_id GROUP BY a.item, b.item
    """),
)
_OF = sa.text("SELECT item FROM bought WHERE contact_id = :id AND item <> ''")
_BESIDE = sa.text("""
    SELECT asked.item, t.other, t.buyers FROM unnest(CAST(:items AS text[])) AS asked (item) CROSS JOIN LATERAL (
        SELECT other, buyers FROM bought_together WHERE item = asked.item AND other <> '' AND buyers > 0
        ORDER BY buyers DESC, other LIMIT :most
    ) AS t
""")
_BUYERS = sa.text("""
    SELECT other, buyers FROM bought_together WHERE item = '' AND other = ANY(CAST(:items AS text[]))
""")


async def write(conn: AsyncConnection, bought: Collection[tuple[UUID, str]], merges: Mapping[UUID, UUID]) -> None:
    """Add purchases (contact, item), move each loser's to its survivor, and count what is new."""
    rows = {*bought, *((contact, EVERYBODY) for contact, _ in bought)}
    if merges:
        taken = await conn.execute(_TAKE, {"members": sorted({*merges, *merges.values()})})
        rows |= {(merges.get(row.contact_id, row.contact_id), row.item) for row in taken}
    await _add(conn, rows)


async def again(conn: AsyncConnection, contacts: Collection[UUID], bought: Collection[tuple[UUID, str]]) -> None:
    """Recount these contacts from these purchases alone."""
    await conn.execute(_TAKE, {"members": sorted(contacts)})
    await _add(conn, {*bought, *((contact, EVERYBODY) for contact, _ in bought)})


async def take(conn: AsyncConnection, contacts: Collection[UUID]) -> None:
    """Let these contacts have bought nothing: they count no more, neither as buyers nor of two things."""
    await conn.execute(_TAKE, {"members": sorted(contacts)})


async def put_right(conn: AsyncConnection, contacts: Collection[UUID], bought: Collection[tuple[UUID, str]]) -> None:
    """Let these contacts have bought this alone, and count everybody's purchases anew; nobody else may write them."""
    await conn.execute(_DROP, {"contacts": sorted(contacts)})
    rows = {*bought, *((contact, EVERYBODY) for contact, _ in bought)}
    if rows:
        await conn.execute(_ADD, _ROWS.arrays(sorted(rows)) | {"most": MOST_ITEMS})
    for statement in _RECOUNT:
        await conn.execute(statement)


async def _add(conn: AsyncConnection, rows: Collection[tuple[UUID, str]]) -> None:
    if not rows:
        return
    found = await conn.execute(_ADD, _ROWS.arrays(sorted(rows)) | {"most": MOST_ITEMS})
    if new := [(row.contact_id, row.item) for row in found]:
        await conn.execute(_COUNT, _ROWS.arrays(sorted(new)))


async def of_contact(conn: AsyncConnection, contact_id: UUID) -> set[str]:
    """What the contact has bought."""
    return set((await conn.execute(_OF, {"id": contact_id})).scalars())


async def beside(conn: AsyncConnection, items: Collection[str]) -> dict[str, dict[str, int]]:
    """For each of these items and EVERYBODY: what else its buyers bought, and how many did."""
    found: dict[str, dict[str, int]] = {}
    asked = [EVERYBODY, *sorted(items)]
    for row in await conn.execute(_BESIDE, {"items": asked, "most": _MOST_OTHERS}):
        found.setdefault(row.item, {})[row.other] = row.buyers
    return found


async def buyers(conn: AsyncConnection, items: Collection[str]) -> dict[str, int]:
    """The number of buyers of each of these items; for EVERYBODY, of anything."""
    return {row.other: row.buyers for row in await conn.execute(_BUYERS, {"items": sorted(items)})}
