"""What was bought by whom, and together: for what may be bought next. Counted from the purchases that come after this.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "bought",
        sa.Column("contact_id", UUID, primary_key=True),
        sa.Column("item", sa.Text, primary_key=True),
        schema=SCHEMA,
    )
    op.create_table(
        "bought_together",
        sa.Column("item", sa.Text, primary_key=True),
        sa.Column("other", sa.Text, primary_key=True),
        sa.Column("buyers", sa.BigInteger, nullable=False),
        sa.CheckConstraint("buyers >= 0", name="buyers_not_negative"),
        schema=SCHEMA,
    )
    op.create_index("bought_together_most", "bought_together", ["item", "buyers"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("bought_together", schema=SCHEMA)
    op.drop_table("bought", schema=SCHEMA)
