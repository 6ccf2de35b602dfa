"""How far contacts come: sums by source and campaign, week, and stage. Those that are there are counted by the service.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SCHEMA = "scoring"
SUMS = ("contacts", "direct", "asked", "lead_value", "customer_value", "orders", "days", "spent", "first_spent")


def upgrade() -> None:
    op.create_table(
        "funnel",
        sa.Column("dimension", sa.Text, primary_key=True),
        sa.Column("week", sa.Date, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("stage", sa.Text, primary_key=True),
        sa.Column("advocate", sa.Boolean, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in SUMS),
        schema=SCHEMA,
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "funnel_steps",
        sa.Column("week", sa.Date, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("stage", sa.Text, primary_key=True),
        sa.Column("bucket", sa.SmallInteger, primary_key=True),
        sa.Column("contacts", sa.BigInteger, nullable=False),
        schema=SCHEMA,
        postgresql_with={"fillfactor": "50"},
    )


def downgrade() -> None:
    op.drop_table("funnel_steps", schema=SCHEMA)
    op.drop_table("funnel", schema=SCHEMA)
