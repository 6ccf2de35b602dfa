"""A position is more than a number: a topic that was made anew is noticed, and can be taken up.

Revision ID: 0007
Revises: 0006
"""

from shared.db.tables.offset_migrations import add_positions, drop_positions

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_positions("nurture")


def downgrade() -> None:
    drop_positions("nurture")
