"""Customers wait in the queue beside leads, each since a moment of its own.

Those whose next purchase is overdue get their place when they are valued anew, at the latest by the next sweep.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.add_column("contacts", sa.Column("waits_since", sa.DateTime(timezone=True)), schema=SCHEMA)
    op.execute("UPDATE scoring.contacts SET waits_since = open_since WHERE worth IS NOT NULL")
    _by("waits_since")


def downgrade() -> None:
    op.execute("UPDATE scoring.contacts SET worth = NULL, curve = NULL WHERE open_since IS NULL AND worth IS NOT NULL")
    _by("open_since")
    op.drop_column("contacts", "waits_since", schema=SCHEMA)


def _by(since: str) -> None:
    """The constraint and the index of the queue by this column."""
    op.drop_constraint("waits_since_when", "contacts", schema=SCHEMA)
    op.create_check_constraint(
        "waits_since_when", "contacts", f"worth IS NULL OR ({since} IS NOT NULL AND merged_into IS NULL)", schema=SCHEMA
    )
    op.drop_index("contacts_queue", "contacts", schema=SCHEMA)
    op.create_index(
        "contacts_queue", "contacts", ["curve", "worth", since, "id"], schema=SCHEMA,
        postgresql_include=["source", "country"], postgresql_where=sa.text("worth IS NOT NULL"),
    )  # fmt: skip
