"""When an event was stored, which says when it is dropped: its own time may be years ago (an import).

What is stored already counts from the day of the upgrade.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.add_column(
        "events",
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema=SCHEMA,
    )
    op.create_index("events_stored", "events", ["stored_at"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("events", "stored_at", schema=SCHEMA)
