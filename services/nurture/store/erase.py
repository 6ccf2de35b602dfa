"""SQL that takes a person out of nurture: their runs, what was sent, tasks, and what they agreed to.

What they objected to stays, by its address: nobody who said no is mailed because we forgot it.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.domain.mail.consent import about

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
_LOCK: Final = sa.text("SELECT id FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")
_SHORTEST: Final = 6  # characters of what is looked for in bodies: less would meet anybody's


async def erase(conn: AsyncConnection, ids: Sequence[UUID], words: Sequence[str]) -> None:
    """Take all of it out. `words`: addresses, numbers and ids that these contacts are known by."""
    await conn.execute(_LOCK, {"ids": ids})
    for statement in _DELETE:
        await conn.execute(sa.text(statement), {"ids": ids})
    await conn.execute(_CONSENTS, {"about": [about(each) for each in ids], "words": list(words)})
    found = [word.encode() for word in (*words, *map(str, ids)) if len(word) >= _SHORTEST]
    for text in _TEXTS:
        await conn.execute(text, {"bytes": found})
