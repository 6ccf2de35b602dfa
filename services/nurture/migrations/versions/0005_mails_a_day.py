"""Mails that public events cause are counted by day."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_counts",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('recipient', 'domain', 'source')", name="mail_counts_kind"),
        sa.CheckConstraint("sent >= 0", name="mail_counts_sent"),
        sa.PrimaryKeyConstraint("day", "kind", "name"),
        schema="nurture",
    )


def downgrade() -> None:
    op.drop_table("mail_counts", schema="nurture")
