"""A position is more than a number: a topic that was made anew is noticed, and can be taken up.

Revision ID: 0003
Revises: 0002
"""

from shared.db.tables.offset_migrations import add_positions, drop_positions

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_positions("scoring")


def downgrade() -> None:
    drop_positions("scoring")
