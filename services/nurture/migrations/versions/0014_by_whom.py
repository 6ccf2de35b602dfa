"""Who did what.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = "nurture"


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("contact_id", UUID),
        sa.Column("subject", sa.Text),
        schema=SCHEMA,
    )
    op.create_index("audit_at", "audit", ["at"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("audit", schema=SCHEMA)
