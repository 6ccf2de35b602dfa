"""What came too late to be sent or done is found at once, as what failed is: both are rare, and both are looked for.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_TABLES = ("deliveries", "tasks")


def upgrade() -> None:
    """A second for each table at 5,000,000 rows."""
    for table in _TABLES:
        op.create_index(
            f"{table}_expired", table, ["created_at", "id"], schema="nurture",
            postgresql_where=sa.text("state = 'expired'"),
        )  # fmt: skip


def downgrade() -> None:
    for table in _TABLES:
        op.drop_index(f"{table}_expired", table_name=table, schema="nurture")
