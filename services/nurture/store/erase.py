"""SQL that erases a person from nurture: enrolments, deliveries, tasks and consents.

Objections stay, by address: nobody who said no is mailed because we forgot it.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.domain.mail.consent import about
from services.nurture.store.deliveries import deliveries
from shared.limits import SHORTEST_SOUGHT

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
_HOLDS: Final = "EXISTS (SELECT FROM unnest(CAST(:bytes AS bytea[])) AS w (word) WHERE position(w.word IN value) > 0)"
_TEXTS: Final = tuple(
    sa.text(f"DELETE FROM {table} WHERE {_HOLDS}")  # noqa: S608 - names of ours
    for table in ("dead_letters", "facts")
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


async def erase(conn: AsyncConnection, ids: Sequence[UUID], words: Sequence[str]) -> None:
    """Erase everything. `words`: addresses, numbers and ids that these contacts are known by."""
    await conn.execute(_LOCK, {"ids": ids})
    for statement in _DELETE:
        await conn.execute(sa.text(statement), {"ids": ids})
    await conn.execute(_CONSENTS, {"about": [about(each) for each in ids], "words": list(words)})
    found = [word.encode() for word in (*words, *map(str, ids)) if len(word) >= SHORTEST_SOUGHT]
    for text in _TEXTS:
        await conn.execute(text, {"bytes": found})
