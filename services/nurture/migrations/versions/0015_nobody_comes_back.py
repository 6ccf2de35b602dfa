"""Contacts that were erased: an update about one that was on its way then starts nothing.

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

SCHEMA = "nurture"


def upgrade() -> None:
    op.create_table(
        "erased",
        sa.Column("contact_id", UUID, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("erased", schema=SCHEMA)
