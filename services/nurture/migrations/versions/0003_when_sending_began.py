"""A delivery says when its sending began, attempts count when they are recorded, and what is withdrawn never waits."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("began_at", sa.DateTime(timezone=True), nullable=True), schema="nurture")
    # Nobody knows of these whether their sending had begun.
    op.execute(
        "UPDATE nurture.deliveries SET began_at = claimed_at, attempts = attempts - 1, tries = tries - 1 "
        "WHERE state = 'claimed'"
    )
    op.execute(
        "UPDATE nurture.deliveries SET state = 'cancelled', finished_at = now() WHERE withdrawn AND state = 'pending'"
    )
    op.create_check_constraint(
        "deliveries_began", "deliveries", "began_at IS NULL OR state = 'claimed'", schema="nurture"
    )
    op.create_check_constraint(
        "deliveries_withdrawn", "deliveries", "NOT withdrawn OR state <> 'pending'", schema="nurture"
    )


def downgrade() -> None:
    op.drop_constraint("deliveries_withdrawn", "deliveries", schema="nurture")
    op.drop_constraint("deliveries_began", "deliveries", schema="nurture")
    op.execute("UPDATE nurture.deliveries SET attempts = attempts + 1, tries = tries + 1 WHERE state = 'claimed'")
    op.drop_column("deliveries", "began_at", schema="nurture")
