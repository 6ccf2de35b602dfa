"""Mails that ask whether the address is the contact's, and what their readers answered."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("confirmation", sa.Text()), schema="nurture")
    op.add_column("deliveries", sa.Column("confirmed_at", sa.DateTime(timezone=True)), schema="nurture")
    op.create_check_constraint(
        "deliveries_confirmation",
        "deliveries",
        "confirmation IS NULL OR (recipient IS NOT NULL AND confirmation IN ('asks', 'needs'))",
        schema="nurture",
    )
    op.create_check_constraint(
        "deliveries_confirmed", "deliveries", "confirmed_at IS NULL OR recipient IS NOT NULL", schema="nurture"
    )
    op.create_index(
        "deliveries_asking",
        "deliveries",
        ["recipient"],
        schema="nurture",
        postgresql_where=sa.text("confirmation = 'asks'"),
    )
    op.create_index(
        "deliveries_confirmed_address",
        "deliveries",
        ["recipient"],
        schema="nurture",
        postgresql_where=sa.text("confirmed_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("deliveries_confirmed_address", table_name="deliveries", schema="nurture")
    op.drop_index("deliveries_asking", table_name="deliveries", schema="nurture")
    op.drop_constraint("deliveries_confirmed", "deliveries", schema="nurture")
    op.drop_constraint("deliveries_confirmation", "deliveries", schema="nurture")
    op.drop_column("deliveries", "confirmed_at", schema="nurture")
    op.drop_column("deliveries", "confirmation", schema="nurture")
