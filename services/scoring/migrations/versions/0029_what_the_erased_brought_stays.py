"""Who referred somebody keeps what they had brought when they are erased.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.add_column("referrals", sa.Column("margin", sa.BigInteger), schema=SCHEMA)


def downgrade() -> None:
    op.execute("DELETE FROM scoring.referrals WHERE margin IS NOT NULL")
    op.drop_column("referrals", "margin", schema=SCHEMA)
