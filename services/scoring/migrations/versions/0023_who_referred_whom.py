"""Who referred whom, so that a referral that converts is credited.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "referrals",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("contact_id", UUID, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        schema=SCHEMA,
    )
    op.create_index("referrals_contact", "referrals", ["contact_id"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("referrals", schema=SCHEMA)
