"""Who was erased, by marks of their keys.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "erased",
        sa.Column("mark", sa.Text, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        schema=SCHEMA,
    )
    op.create_index("erased_at", "erased", ["at"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("erased", schema=SCHEMA)
