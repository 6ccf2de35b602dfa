"""What raises is parked with its reason: enrolments and tasks by a column, deliveries by a state."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("enrolments", "tasks"):
        op.add_column(table, sa.Column("parked_reason", sa.Text(), nullable=True), schema="nurture")
    op.create_check_constraint(
        "enrolments_parked", "enrolments", "parked_reason IS NULL OR status = 'active'", schema="nurture"
    )
    _delivery_states("'parked', ")
    op.create_check_constraint(
        "deliveries_parked", "deliveries", "state <> 'parked' OR reason IS NOT NULL", schema="nurture"
    )
    _due_indexes(" AND parked_reason IS NULL")
    for table, where in (
        ("enrolments", "parked_reason IS NOT NULL"),
        ("deliveries", "state = 'parked'"),
        ("tasks", "state = 'open' AND parked_reason IS NOT NULL"),
    ):
        op.create_index(
            f"{table}_put_aside", table, ["id"], unique=False, schema="nurture", postgresql_where=sa.text(where)
        )


def downgrade() -> None:
    op.execute("UPDATE nurture.deliveries SET state = 'pending' WHERE state = 'parked'")
    for table in ("enrolments", "deliveries", "tasks"):
        op.drop_index(f"{table}_put_aside", table_name=table, schema="nurture")
    op.drop_constraint("deliveries_parked", "deliveries", schema="nurture")
    _delivery_states("")
    op.drop_constraint("enrolments_parked", "enrolments", schema="nurture")
    _due_indexes("")
    for table in ("enrolments", "tasks"):
        op.drop_column(table, "parked_reason", schema="nurture")


def _delivery_states(parked: str) -> None:
    open_states = f"'pending', 'claimed', {parked}".removesuffix(", ")
    for name, check in (
        ("deliveries_state", f"state IN ({open_states}, 'delivered', 'failed', 'expired', 'cancelled')"),
        ("deliveries_finished", f"(state IN ({open_states})) = (finished_at IS NULL)"),
    ):
        op.drop_constraint(name, "deliveries", schema="nurture")
        op.create_check_constraint(name, "deliveries", check, schema="nurture")


def _due_indexes(unparked: str) -> None:
    for name, table, columns, where in (
        ("enrolments_due", "enrolments", ["due_at", "id"], "status = 'active' AND due_at IS NOT NULL"),
        ("tasks_expiring", "tasks", ["expires_at"], "state = 'open' AND expires_at IS NOT NULL"),
    ):
        op.drop_index(name, table_name=table, schema="nurture")
        op.create_index(
            name, table, columns, unique=False, schema="nurture", postgresql_where=sa.text(where + unparked)
        )
