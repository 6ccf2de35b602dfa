"""Endpoints say since when they fail, and facts that Kafka can never take are parked with their reason."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("endpoint_state", sa.Column("failing_since", sa.DateTime(timezone=True)), schema="nurture")
    op.add_column("endpoint_state", sa.Column("failing_because", sa.Text()), schema="nurture")
    op.create_check_constraint(
        "endpoint_state_failing",
        "endpoint_state",
        "(failing_since IS NULL) = (failing_because IS NULL)",
        schema="nurture",
    )
    op.add_column("facts", sa.Column("parked_reason", sa.Text()), schema="nurture")


def downgrade() -> None:
    op.drop_column("facts", "parked_reason", schema="nurture")
    op.drop_constraint("endpoint_state_failing", "endpoint_state", schema="nurture")
    op.drop_column("endpoint_state", "failing_because", schema="nurture")
    op.drop_column("endpoint_state", "failing_since", schema="nurture")
