"""How many amounts wait for a rate, by currency and day.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "unconverted",
        sa.Column("currency", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("seen", sa.Date, nullable=False),
        sa.Column("orders", sa.BigInteger, nullable=False),
        sa.Column("estimates", sa.BigInteger, nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_is_a_code"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("unconverted", schema=SCHEMA)
