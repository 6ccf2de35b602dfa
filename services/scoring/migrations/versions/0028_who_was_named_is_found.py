"""Who is named in a referral is found when they are erased, whoever made it.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_index(
        "events_referred", "events", ["id"], schema=SCHEMA, postgresql_where=sa.text("type = 'referral.made'")
    )


def downgrade() -> None:
    op.drop_index("events_referred", "events", schema=SCHEMA)
