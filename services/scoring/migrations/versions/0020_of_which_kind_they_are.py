"""How many contacts there are of each stage, tier and RFM cell. Those that are there are counted by the service.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "segments",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("stage", "tier", "rfm")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("contacts", "lead_value", "customer_value")),
        schema=SCHEMA,
        postgresql_with={"fillfactor": "50"},
    )


def downgrade() -> None:
    op.drop_table("segments", schema=SCHEMA)
