"""Contacts are found by their company alone, for those who may not see who they are.

The words of those that are stored come when they are next valued: whoever has a company is due.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.add_column("contacts", sa.Column("company", sa.Text), schema=SCHEMA)
    op.create_index(
        "contacts_company", "contacts", [sa.text("to_tsvector('simple'::regconfig, company)")], schema=SCHEMA,
        postgresql_using="gin", postgresql_where=sa.text("company IS NOT NULL AND merged_into IS NULL"),
    )  # fmt: skip
    op.execute("""
        UPDATE scoring.contacts SET model = ''
        WHERE merged_into IS NULL AND position(CAST('"trait:company"' AS bytea) IN state) > 0
    """)


def downgrade() -> None:
    op.drop_column("contacts", "company", schema=SCHEMA)
