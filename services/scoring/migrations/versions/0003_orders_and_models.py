"""Orders in a table of their own, and the model that each contact's values stand at.

What is stored already is folded anew from its events: by the batch that comes upon it, or in the background
(jobs/revalue.py). Its contacts have no model yet, so all of them are due.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("contact_id", UUID, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("order_id", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("paid", sa.BigInteger, nullable=False),
        sa.Column("margin", sa.BigInteger),
        sa.Column("paid_at", sa.DateTime(timezone=True)),
        sa.Column("refunded", JSONB, nullable=False),
        sa.CheckConstraint("currency <> '' OR (paid = 0 AND margin IS NULL)", name="money_has_a_currency"),
        schema=SCHEMA,
    )
    op.add_column("contacts", sa.Column("model", sa.Text, nullable=False, server_default=""), schema=SCHEMA)
    op.alter_column("contacts", "model", server_default=None, schema=SCHEMA)
    op.create_index(
        "contacts_model", "contacts", ["model", "id"], schema=SCHEMA, postgresql_where=sa.text("merged_into IS NULL")
    )


def downgrade() -> None:
    op.drop_column("contacts", "model", schema=SCHEMA)
    op.drop_table("orders", schema=SCHEMA)
