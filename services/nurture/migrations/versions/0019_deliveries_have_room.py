"""Pages of deliveries keep room for the next version of a row: each is written three times until it is sent.

Revision ID: 0019
Revises: 0018
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """At once, however many rows there are: pages keep room from now on, and those that are full stay as they are."""
    op.execute("ALTER TABLE nurture.deliveries SET (fillfactor = 50)")


def downgrade() -> None:
    op.execute("ALTER TABLE nurture.deliveries RESET (fillfactor)")
