"""Lanes halt apart, and stay halted over a restart; dead letters say whether they were foreseen, and whose they are.

Revision ID: 0002
Revises: 0001
"""

from shared.db.tables.offset_migrations import create_halts, drop_halts

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_halts("nurture")


def downgrade() -> None:
    drop_halts("nurture")
