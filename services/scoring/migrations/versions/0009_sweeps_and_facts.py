"""Where the daily sweep stands, and an outbox for what scoring itself has to tell.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA, UUID

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "facts",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("key", BYTEA, nullable=False),
        sa.Column("value", BYTEA, nullable=False),
        sa.Column("parked_reason", sa.Text),
        sa.Column("lane", sa.Text, nullable=False),
        sa.CheckConstraint("lane IN ('live', 'bulk')", name="lane_known"),
        schema=SCHEMA,
    )
    op.create_table(
        "sweeps",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("after", UUID, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False, server_default=sa.false()),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("sweeps", schema=SCHEMA)
    op.drop_table("facts", schema=SCHEMA)
