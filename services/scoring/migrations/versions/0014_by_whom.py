"""By which token somebody did something, and to what.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.add_column("audit", sa.Column("token", sa.Text, nullable=False, server_default="command"), schema=SCHEMA)
    op.alter_column("audit", "token", server_default=None, schema=SCHEMA)
    op.add_column("audit", sa.Column("subject", sa.Text), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("audit", "subject", schema=SCHEMA)
    op.drop_column("audit", "token", schema=SCHEMA)
