"""SQL that drops old rows, a bounded number at a time, so that nobody waits long for it."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

COMPACTED: Final = "compacted"  # in place of a model's version

_OLD: Final = "statement_timestamp() - make_interval(days => :days)"
_OLD_EVENTS: Final = sa.text(f"""
    SELECT id, contact_id FROM events WHERE stored_at < {_OLD} ORDER BY stored_at LIMIT :most
""")  # noqa: S608 - no input
# Locked in a batch's order: while these are locked nobody merges them, so no booking changes hands.
_LOCK: Final = sa.text("SELECT id FROM contacts WHERE id = ANY(CAST(:contacts AS uuid[])) ORDER BY id FOR UPDATE")
_DROP_EVENTS: Final = sa.text("""
    DELETE FROM events WHERE id = ANY(CAST(:ids AS uuid[]))
        AND (contact_id IS NULL OR contact_id = ANY(CAST(:contacts AS uuid[])))
    RETURNING id
""")
# One booking per account and factor replaces those whose events are gone, and old ones that never had an event.
_COMPACT: Final = sa.text(f"""
    WITH old AS (
        DELETE FROM bookings AS b
        WHERE b.contact_id = ANY(CAST(:contacts AS uuid[])) AND (
            b.event_id = ANY(CAST(:dropped AS uuid[]))
            OR b.model = CAST(:model AS text)
            OR (b.time < {_OLD} AND NOT EXISTS (SELECT FROM events AS e WHERE e.id = b.event_id))
        )
        RETURNING contact_id, account, factor, amount, time
    )
    INSERT INTO bookings (contact_id, event_id, line, account, factor, amount, model, time)
    SELECT contact_id, gen_random_uuid(), 0, account, factor, sum(amount), CAST(:model AS text), max(time)
    FROM old GROUP BY contact_id, account, factor HAVING sum(amount) <> 0
""")  # noqa: S608 - no input
_DROP_PUBLISHED: Final = sa.text("""
    DELETE FROM updates WHERE (topic, partition, "offset") IN (
        SELECT u.topic, u.partition, u."offset" FROM updates AS u JOIN consumer_offsets AS o USING (topic, partition)
        WHERE u."offset" < o.published LIMIT :most FOR UPDATE OF u SKIP LOCKED
    )
""")


async def drop_events(conn: AsyncConnection, *, older_than_days: int, most: int) -> int:
    """Drop events stored so long ago, and compact their bookings; return how many events."""
    old = (await conn.execute(_OLD_EVENTS, {"days": older_than_days, "most": most})).all()
    if not old:
        return 0
    contacts = sorted({row.contact_id for row in old if row.contact_id is not None})
    await conn.execute(_LOCK, {"contacts": contacts})
    dropped = (await conn.execute(_DROP_EVENTS, {"ids": [row.id for row in old], "contacts": contacts})).scalars().all()
    await conn.execute(
        _COMPACT, {"contacts": contacts, "dropped": dropped, "days": older_than_days, "model": COMPACTED}
    )
    return len(dropped)


async def drop_published(conn: AsyncConnection, most: int) -> int:
    """Drop updates that Kafka has, on partitions without later ones."""
    return (await conn.execute(_DROP_PUBLISHED, {"most": most})).rowcount
