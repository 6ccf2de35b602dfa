"""Whoever has a past has a row: a contact without one is known to be new, and its past is not asked for.

Revision ID: 0017
Revises: 0016
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Enrolments that began before there were rows of contacts."""
    op.execute("""
        INSERT INTO nurture.contacts (id)
        SELECT contact_id FROM nurture.enrolments UNION SELECT contact_id FROM nurture.recent_events
        ON CONFLICT DO NOTHING
    """)


def downgrade() -> None:
    """A row too many is only a lock."""
