"""Who did what: one row for each write by a person or a program with a token, in the same transaction."""

from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID as UUID_COLUMN
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.tokens import Actor

COMMAND: Final = "command"  # in place of a token: whoever may use the database
_NOTE: Final = sa.text("""
    INSERT INTO audit (id, at, actor, token, action, contact_id, subject)
    VALUES (:id, :at, :actor, :token, :action, :contact, :subject)
""")


def audit_table(metadata: sa.MetaData) -> None:
    """Add the table `audit` to a service's tables."""
    audit = sa.Table(
        "audit",
        metadata,
        sa.Column("id", UUID_COLUMN, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),  # the person that `Firsthour-Actor` named, else the token's name
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("contact_id", UUID_COLUMN),
        sa.Column("subject", sa.Text),  # what it was done to: an id, or a name of the configuration
    )
    sa.Index("audit_at", audit.c.at)


async def note(
    conn: AsyncConnection,
    entry_id: UUID,
    at: datetime,
    actor: Actor,
    action: str,
    *,
    contact: UUID | None = None,
    subject: str | None = None,
) -> None:
    """Record that it was done. Nothing a contact said belongs in `action` or `subject`."""
    given = {
        "id": entry_id,
        "at": at,
        "actor": actor.name,
        "token": actor.token,
        "action": action,
        "contact": contact,
        "subject": subject,
    }
    await conn.execute(_NOTE, given)
