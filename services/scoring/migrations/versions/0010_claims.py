"""Claims: who has whom, one holder at a time.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "claims",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("contact_id", UUID, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("ended", sa.Text),
        sa.Column("snoozed_until", sa.DateTime(timezone=True)),
        sa.Column("told", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.CheckConstraint("(ended_at IS NULL) = (ended IS NULL)", name="ended_has_a_reason"),
        sa.CheckConstraint("ended IN ('released', 'expired', 'snoozed', 'merged')", name="ended_known"),
        sa.CheckConstraint("(ended = 'snoozed') = (snoozed_until IS NOT NULL)", name="snoozed_until_when"),
        sa.CheckConstraint("until > since", name="lasts"),
        schema=SCHEMA,
    )
    op.create_index(
        "claims_one_holder", "claims", ["contact_id"], unique=True, schema=SCHEMA,
        postgresql_where=sa.text("ended_at IS NULL"),
    )  # fmt: skip
    op.create_index("claims_contact", "claims", ["contact_id"], schema=SCHEMA)
    op.create_index("claims_until", "claims", ["until"], schema=SCHEMA, postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index("claims_untold", "claims", ["id"], schema=SCHEMA, postgresql_where=sa.text("NOT told"))


def downgrade() -> None:
    op.drop_table("claims", schema=SCHEMA)
