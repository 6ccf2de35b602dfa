"""Who did what to which contact: one row for each write by a person."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_NOTE = sa.text("INSERT INTO audit (id, at, actor, action, contact_id) VALUES (:id, :at, :actor, :action, :contact)")


async def note(
    conn: AsyncConnection, entry_id: UUID, at: datetime, actor: str, action: str, contact_id: UUID | None
) -> None:
    """Keep that it was done, as part of the transaction that does it. No name of a contact belongs into `action`."""
    await conn.execute(_NOTE, {"id": entry_id, "at": at, "actor": actor, "action": action, "contact": contact_id})
