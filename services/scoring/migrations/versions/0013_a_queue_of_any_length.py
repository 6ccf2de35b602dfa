"""A queue of any length: by what everybody is worth in it, in steps, and what has changed, for pages that watch.

Open leads get their place when they are valued anew, which begins at once.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    for column in (
        sa.Column("source", sa.Text),
        sa.Column("country", sa.Text),
        sa.Column("worth", sa.SmallInteger),
        sa.Column("curve", sa.Text),
    ):
        op.add_column("contacts", column, schema=SCHEMA)
    op.create_check_constraint("waits_by_a_curve", "contacts", "(worth IS NULL) = (curve IS NULL)", schema=SCHEMA)
    op.create_check_constraint(
        "waits_since_when", "contacts", "worth IS NULL OR (open_since IS NOT NULL AND merged_into IS NULL)",
        schema=SCHEMA,
    )  # fmt: skip
    op.create_index(
        "contacts_queue", "contacts", ["curve", "worth", "open_since", "id"], schema=SCHEMA,
        postgresql_include=["source", "country"], postgresql_where=sa.text("worth IS NOT NULL"),
    )  # fmt: skip
    op.execute("UPDATE scoring.contacts SET model = '' WHERE open_since IS NOT NULL AND merged_into IS NULL")
    op.create_index(
        "claims_snoozed", "claims", ["snoozed_until"], schema=SCHEMA,
        postgresql_where=sa.text("snoozed_until IS NOT NULL"),
    )  # fmt: skip
    op.create_table(
        "changes",
        sa.Column("transaction", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("contacts", sa.ARRAY(UUID)),
        sa.Column("queue", sa.Boolean, nullable=False),
        schema=SCHEMA,
    )
    op.create_index("changes_queue", "changes", ["transaction"], schema=SCHEMA, postgresql_where=sa.text("queue"))
    op.create_index("changes_at", "changes", ["at"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("changes", schema=SCHEMA)
    op.drop_index("claims_snoozed", "claims", schema=SCHEMA)
    for name in ("curve", "worth", "country", "source"):
        op.drop_column("contacts", name, schema=SCHEMA)
