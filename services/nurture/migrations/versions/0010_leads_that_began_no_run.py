"""Leads that began no run, with the reason."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refusals",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("contact_id", sa.UUID(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.CheckConstraint("reason IN ('robot', 'late', 'where', 'running', 'reentry')", name="refusals_reason"),
        sa.PrimaryKeyConstraint("id"),
        schema="nurture",
    )
    op.create_index("refusals_contact", "refusals", ["contact_id", "workflow"], unique=False, schema="nurture")
    op.create_index("refusals_newest", "refusals", ["refused_at", "id"], unique=False, schema="nurture")


def downgrade() -> None:
    op.drop_table("refusals", schema="nurture")
