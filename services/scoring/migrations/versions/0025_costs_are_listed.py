"""Recorded costs are listed by their periods.

Revision ID: 0025
Revises: 0024
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_index("costs_since", "costs", ["since", "key"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_index("costs_since", "costs", schema=SCHEMA)
