"""Deliveries stand in the lane of the event that they follow: live ones are sent first."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "deliveries", sa.Column("lane", sa.Text(), server_default=sa.text("'live'"), nullable=False), schema="nurture"
    )
    op.create_check_constraint("deliveries_lane", "deliveries", "lane IN ('live', 'bulk')", schema="nurture")
    _pending(["endpoint", "lane", "due_at", "id"])


def downgrade() -> None:
    _pending(["endpoint", "due_at", "id"])
    op.drop_constraint("deliveries_lane", "deliveries", schema="nurture")
    op.drop_column("deliveries", "lane", schema="nurture")


def _pending(columns: list[str]) -> None:
    op.drop_index("deliveries_pending", table_name="deliveries", schema="nurture")
    op.create_index(
        "deliveries_pending",
        "deliveries",
        columns,
        unique=False,
        schema="nurture",
        postgresql_where=sa.text("state = 'pending'"),
    )
