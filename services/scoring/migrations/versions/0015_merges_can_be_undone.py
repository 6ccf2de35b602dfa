"""What was of each contact when it was merged away, so that it can be undone.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "merges",
        sa.Column("loser", UUID, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("events", sa.ARRAY(UUID), nullable=False),
        sa.Column("keys", sa.ARRAY(sa.Text), nullable=False),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("merges", schema=SCHEMA)
