"""Contacts whose values stand at another model than the one in force, or whose lead waits by another curve."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact.contact import ContactState
from services.scoring.store.contacts.states import read_states

# Two ranges of one index: `<>` would read every contact. Rows that a batch has locked are skipped.
_DUE = sa.text("""
    SELECT contacts.id, state FROM (
        (SELECT id FROM contacts WHERE merged_into IS NULL AND model < :model AND id <> ALL(CAST(:but AS uuid[]))
         ORDER BY model, id LIMIT :limit)
        UNION ALL
        (SELECT id FROM contacts WHERE merged_into IS NULL AND model > :model AND id <> ALL(CAST(:but AS uuid[]))
         ORDER BY model, id LIMIT :limit)
    ) AS due JOIN contacts USING (id)
    WHERE contacts.merged_into IS NULL AND contacts.model <> :model
    ORDER BY contacts.id LIMIT :limit FOR UPDATE OF contacts SKIP LOCKED
""")
_ANY_DUE = sa.text("""
    SELECT EXISTS (
        SELECT FROM contacts WHERE merged_into IS NULL AND model < :model AND id <> ALL(CAST(:but AS uuid[]))
    ) OR EXISTS (
        SELECT FROM contacts WHERE merged_into IS NULL AND model > :model AND id <> ALL(CAST(:but AS uuid[]))
    )
""")
_CURVES = sa.text("SELECT DISTINCT source, curve FROM contacts WHERE worth IS NOT NULL")
_MISPLACED = sa.text("""
    SELECT id, state FROM contacts WHERE worth IS NOT NULL AND curve = :curve AND source IS NOT DISTINCT FROM :source
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")


class Placed(NamedTuple):
    """By which curve leads of a source wait in the queue."""

    source: str | None
    curve: str


async def lock_due(
    conn: AsyncConnection, model: str, limit: int, *, but: Collection[UUID]
) -> tuple[list[ContactState], set[UUID]]:
    """Lock and return up to `limit` contacts that this model has not valued, without those that a batch has locked.

    Second, those of them whose state cannot be read.
    """
    rows = list(await conn.execute(_DUE, {"model": model, "limit": limit, "but": list(but)}))
    states = read_states(rows)
    return states, {row.id for row in rows} - {state.id for state in states}


async def any_due(conn: AsyncConnection, model: str, *, but: Collection[UUID]) -> bool:
    """Whether there is a contact that this model has not valued."""
    return bool((await conn.execute(_ANY_DUE, {"model": model, "but": list(but)})).scalar_one())


async def curves(conn: AsyncConnection) -> list[Placed]:
    """By which curves the leads of each source wait."""
    return [Placed(row.source, row.curve) for row in await conn.execute(_CURVES)]


async def lock_placed(conn: AsyncConnection, placed: Placed, limit: int) -> list[ContactState]:
    """Lock and return up to `limit` of these, without those that a batch has locked: it places them itself."""
    rows = await conn.execute(_MISPLACED, {"source": placed.source, "curve": placed.curve, "limit": limit})
    return read_states(rows)
