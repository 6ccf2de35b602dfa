"""Facts stand in a lane: what nobody waits for is published by the bulk one, behind the leads."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "facts", sa.Column("lane", sa.Text(), server_default=sa.text("'live'"), nullable=False), schema="nurture"
    )
    op.create_check_constraint("facts_lane", "facts", "lane IN ('live', 'bulk')", schema="nurture")


def downgrade() -> None:
    op.drop_constraint("facts_lane", "facts", schema="nurture")
    op.drop_column("facts", "lane", schema="nurture")
