"""The words that a contact is found by.

Those of contacts that are stored come when they are next valued anew, or with what is next said of them.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.add_column("contacts", sa.Column("said", sa.Text, nullable=False, server_default=""), schema=SCHEMA)
    op.alter_column("contacts", "said", server_default=None, schema=SCHEMA)
    op.create_index(
        "contacts_said", "contacts", [sa.text("to_tsvector('simple'::regconfig, said)")], schema=SCHEMA,
        postgresql_using="gin", postgresql_where=sa.text("merged_into IS NULL"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_column("contacts", "said", schema=SCHEMA)
