"""SQL that erases a person from nurture: enrolments, deliveries, tasks and consents.

Objections stay, by address: nobody who said no is mailed because we forgot it. Who referred them keeps what is about
themselves, without the name.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.domain.mail.caps import folded
from services.nurture.domain.mail.consent import about
from services.nurture.store.deliveries import deliveries
from shared.db.naming import delete_naming
from shared.events.referrals import naming_nobody

_RUNS: Final = "(SELECT id FROM enrolments WHERE contact_id = ANY(CAST(:ids AS uuid[])))"
_DELETE: Final = (
    f"DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE enrolment_id IN {_RUNS})",  # noqa: S608
    f"DELETE FROM deliveries WHERE enrolment_id IN {_RUNS}",  # noqa: S608
    f"DELETE FROM tasks WHERE enrolment_id IN {_RUNS}",  # noqa: S608
    "DELETE FROM enrolments WHERE contact_id = ANY(CAST(:ids AS uuid[]))",
    "DELETE FROM recent_events WHERE contact_id = ANY(CAST(:ids AS uuid[]))",
    "DELETE FROM refusals WHERE contact_id = ANY(CAST(:ids AS uuid[]))",
    "DELETE FROM contacts WHERE id = ANY(CAST(:ids AS uuid[]))",
)
_CONSENTS: Final = sa.text("""
    DELETE FROM consents WHERE subject = ANY(CAST(:about AS text[]))
        OR (given AND subject = ANY(CAST(:words AS text[])))
""")
_COUNTS: Final = sa.text("DELETE FROM mail_counts WHERE kind = 'recipient' AND name = ANY(CAST(:mailboxes AS text[]))")
# What is stored about whoever referred them holds the referral: table, its document, and whose it is.
_OF_OTHERS: Final = tuple(
    (
        sa.text(f"""
            SELECT t.id, t.{document} AS document FROM {table} AS t{joined}
            WHERE {whose}.contact_id = ANY(CAST(:contacts AS uuid[])) ORDER BY t.id FOR UPDATE OF t
        """),  # noqa: S608 - names of ours
        sa.text(f"UPDATE {table} SET {document} = :document WHERE id = :id"),  # noqa: S608 - names of ours
    )
    for table, document, joined, whose in (
        ("enrolments", "document", "", "t"),
        ("recent_events", "event", "", "t"),
        ("deliveries", "payload", " JOIN enrolments AS e ON e.id = t.enrolment_id", "e"),
        ("tasks", "payload", " JOIN enrolments AS e ON e.id = t.enrolment_id", "e"),
    )
)
_MARK: Final = sa.text("""
    INSERT INTO erased (contact_id, at) SELECT id, statement_timestamp() FROM unnest(CAST(:ids AS uuid[])) AS c (id)
    ON CONFLICT DO NOTHING
""")
_UNDER_WAY: Final = sa.text(f"""
    SELECT count(*) FROM deliveries WHERE state = 'claimed' AND enrolment_id IN {_RUNS}
""")  # noqa: S608 - no input
_RUN_IDS: Final = sa.text(_RUNS)
_LOCK: Final = sa.text("SELECT id FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")


async def withdraw(conn: AsyncConnection, ids: Sequence[UUID]) -> int:
    """Let nothing more begin for these contacts; return how many deliveries are still under way."""
    await conn.execute(_MARK, {"ids": ids})
    await deliveries.cancel(conn, list((await conn.execute(_RUN_IDS, {"ids": ids})).scalars()))
    return int((await conn.execute(_UNDER_WAY, {"ids": ids})).scalar_one())


async def erase(
    conn: AsyncConnection, ids: Sequence[UUID], words: Sequence[str], referrals: Mapping[UUID, UUID]
) -> None:
    """Erase everything. `words`: addresses, numbers and ids that these contacts are known by.

    `referrals`: the events in which others named them, each with the contact of who made it.
    """
    others = sorted({*referrals.values()})
    await conn.execute(_LOCK, {"ids": [*ids, *others]})
    for read, rewrite in _OF_OTHERS if referrals else ():
        texts = [str(each) for each in referrals]
        for row in (await conn.execute(read, {"contacts": others})).all():
            if (document := naming_nobody(row.document, texts)) != row.document:
                await conn.execute(rewrite, {"id": row.id, "document": document})
    for statement in _DELETE:
        await conn.execute(sa.text(statement), {"ids": ids})
    await conn.execute(_COUNTS, {"mailboxes": [folded(each) for each in words if "@" in each]})
    await conn.execute(_CONSENTS, {"about": [about(each) for each in ids], "words": list(words)})
    named = [*words, *map(str, ids)]
    await delete_naming(conn, "dead_letters", named)
    await delete_naming(conn, "facts", named)
