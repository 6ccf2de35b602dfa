"""SQL that erases a person from scoring: everything about them, and what would bring them back.

The id of each event stays, without contact or body: a copy (a topic read again, a file imported again) is then known
and brings nobody back. Marks of the keys stay for as long as a copy can arrive late: an event received before the
erasure that names one of them counts as erased, too. A new event is welcome.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.customer.advocacy import names
from services.scoring.domain.funnel.places import moved
from services.scoring.domain.identity.marks import mark, mark_of_contact
from services.scoring.store import bought, funnel, referrals
from services.scoring.store.contacts.states import read_states
from shared.db.naming import delete_naming
from shared.events.referrals import naming_nobody

_ALL_OF: Final = sa.text("""
    WITH RECURSIVE up AS (
        SELECT id, merged_into FROM contacts WHERE id = :id
        UNION ALL
        SELECT c.id, c.merged_into FROM up JOIN contacts c ON c.id = up.merged_into
    ), down AS (
        SELECT id FROM up WHERE merged_into IS NULL
        UNION ALL
        SELECT c.id FROM down JOIN contacts c ON c.merged_into = down.id
    )
    SELECT id FROM down
""")
_LOCK: Final = sa.text("SELECT id FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")
_KEYS: Final = sa.text("SELECT key FROM identities WHERE contact_id = ANY(CAST(:ids AS uuid[]))")
_MADE: Final = sa.text("""
    SELECT id, contact_id, body FROM events WHERE type = 'referral.made' AND id > :after ORDER BY id LIMIT :most
""")
_SOME: Final = 5000  # referrals in memory at once
_NAMED_THEM: Final = sa.text("SELECT id, body FROM events WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")
_REWRITE: Final = sa.text("UPDATE events SET body = :body WHERE id = :id")
_UPDATES_OF: Final = sa.text("""
    SELECT topic, partition, "offset", body FROM updates WHERE EXISTS (
        SELECT FROM unnest(CAST(:words AS bytea[])) AS w (word) WHERE position(w.word IN body) > 0
    ) ORDER BY topic, partition, "offset" FOR UPDATE
""")
_REWRITE_UPDATE: Final = sa.text("""
    UPDATE updates SET body = :body WHERE topic = :topic AND partition = :partition AND "offset" = :offset
""")
_EVENTS: Final = sa.text("""
    UPDATE events SET contact_id = NULL, type = 'erased', body = '' WHERE contact_id = ANY(CAST(:ids AS uuid[]))
""")
# Kafka has them, or need not get them: nurture takes nothing of whom it knows to be erased.
_UPDATES: Final = sa.text("""
    DELETE FROM updates WHERE EXISTS (
        SELECT FROM unnest(CAST(:words AS bytea[])) AS w (word) WHERE position(w.word IN body) > 0
    )
""")
_DELETE: Final = tuple(
    sa.text(f"DELETE FROM {table} WHERE {column} = ANY(CAST(:ids AS uuid[]))")  # noqa: S608 - names of ours
    for table, column in (
        ("identities", "contact_id"), ("bookings", "contact_id"), ("orders", "contact_id"), ("claims", "contact_id"),
        ("merges", "loser"), ("cost_shares", "contact_id"), ("cost_due", "contact_id"),
        ("referrals", "contact_id"),
        ("contacts", "id"),
    )
)  # fmt: skip
_STATES: Final = sa.text("SELECT id, state FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) AND merged_into IS NULL")
_SUPPRESS: Final = sa.text("""
    INSERT INTO erased (mark, at) SELECT mark, statement_timestamp() FROM unnest(CAST(:marks AS text[])) AS m (mark)
    ON CONFLICT (mark) DO UPDATE SET at = excluded.at
""")
_SUPPRESSED: Final = sa.text("SELECT mark, at FROM erased WHERE mark = ANY(CAST(:marks AS text[]))")
_FORGET: Final = sa.text("""
    DELETE FROM erased WHERE mark IN (
        SELECT mark FROM erased WHERE at < statement_timestamp() - make_interval(days => :days) LIMIT :most
    )
""")


async def all_of(conn: AsyncConnection, contact_id: UUID) -> list[UUID]:
    """The contact and everything merged into it, locked; empty when there is none."""
    ids = list((await conn.execute(_ALL_OF, {"id": contact_id})).scalars())
    if ids:
        await conn.execute(_LOCK, {"ids": ids})
    return ids


async def identities(conn: AsyncConnection, ids: Sequence[UUID]) -> list[str]:
    """The identities of these contacts without their kinds: addresses, numbers, ids."""
    return [key.partition(":")[2] for key in (await conn.execute(_KEYS, {"ids": ids})).scalars()]


async def suppressed(conn: AsyncConnection, marks: Sequence[str]) -> dict[str, datetime]:
    """When each of these marks was erased, if it was."""
    return {row.mark: row.at for row in await conn.execute(_SUPPRESSED, {"marks": marks})}


async def forget_suppressed(conn: AsyncConnection, *, older_than_days: int, most: int) -> int:
    """Drop marks that are older than any copy of an event."""
    return (await conn.execute(_FORGET, {"days": older_than_days, "most": most})).rowcount


async def referrals_naming(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """What others said of these contacts: the events that refer them, each with the contact of who made it."""
    keys = set((await conn.execute(_KEYS, {"ids": ids})).scalars())
    found: dict[UUID, UUID] = {}
    after = UUID(int=0)
    while rows := (await conn.execute(_MADE, {"after": after, "most": _SOME})).all():
        found |= {row.id: row.contact_id for row in rows if row.contact_id is not None and names(row.body, keys)}
        after = rows[-1].id
    return found


async def _take_names(conn: AsyncConnection, naming: Sequence[UUID]) -> None:
    """Have these referrals name nobody, in the events and in the updates that tell of them."""
    texts = [str(each) for each in naming]
    for row in (await conn.execute(_NAMED_THEM, {"ids": naming})).all():
        await conn.execute(_REWRITE, {"id": row.id, "body": naming_nobody(row.body, texts)})
    for row in (await conn.execute(_UPDATES_OF, {"words": [each.encode() for each in texts]})).all():
        place = {"topic": row.topic, "partition": row.partition, "offset": row.offset}
        await conn.execute(_REWRITE_UPDATE, {**place, "body": naming_nobody(row.body, texts)})


async def erase(conn: AsyncConnection, ids: Sequence[UUID], words: Sequence[str]) -> int:
    """Erase; return the number of events. `words`: what dead letters must not hold."""
    keys = list((await conn.execute(_KEYS, {"ids": ids})).scalars())
    if naming := await referrals_naming(conn, ids):
        await _take_names(conn, sorted(naming))
    await conn.execute(_SUPPRESS, {"marks": sorted({*map(mark, keys), *map(mark_of_contact, ids)})})
    await referrals.forget_named(conn, ids)
    events = (await conn.execute(_EVENTS, {"ids": ids})).rowcount
    await conn.execute(_UPDATES, {"words": [str(each).encode() for each in ids]})
    gone = read_states(await conn.execute(_STATES, {"ids": ids}))  # whoever cannot be read goes all the same
    await funnel.add(conn, moved((each, None) for each in gone))
    await bought.take(conn, ids)  # after the funnel, as a batch locks them
    for statement in _DELETE:
        await conn.execute(statement, {"ids": ids})
    await delete_naming(conn, "dead_letters", words)
    return events
