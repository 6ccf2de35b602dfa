"""Enrolments, deliveries with their attempts, tasks, facts: all that nurture keeps."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.db.tables.offset_migrations import create_offset_tables, drop_offset_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_offset_tables("nurture")
    op.create_table(
        "contact_merges",
        sa.Column("loser", sa.UUID(), nullable=False),
        sa.Column("survivor", sa.UUID(), nullable=False),
        sa.CheckConstraint("loser <> survivor", name="contact_merges_apart"),
        sa.PrimaryKeyConstraint("loser"),
        schema="nurture",
    )
    op.create_index("contact_merges_survivor", "contact_merges", ["survivor"], unique=False, schema="nurture")
    op.create_table(
        "endpoint_state",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_because", sa.Text(), nullable=True),
        sa.Column("slowed_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(disabled_at IS NULL) = (disabled_because IS NULL)", name="endpoint_state_disabled"),
        sa.PrimaryKeyConstraint("name"),
        schema="nurture",
    )
    op.create_table(
        "facts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("key", postgresql.BYTEA(), nullable=False),
        sa.Column("value", postgresql.BYTEA(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="nurture",
    )
    op.create_table(
        "seen_updates",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="nurture",
    )
    op.create_index(
        "seen_updates_age", "seen_updates", ["seen_at"], unique=False, schema="nurture", postgresql_using="brin"
    )
    op.create_table(
        "turns",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("taken > 0", name="turns_taken"),
        sa.PrimaryKeyConstraint("workflow", "step"),
        schema="nurture",
    )
    op.create_table(
        "workflow_versions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", "version"),
        schema="nurture",
    )
    op.create_table(
        "enrolments",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.UUID(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("listens", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("triggered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_closes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_stopped_by", sa.Text(), nullable=True),
        sa.Column("window_missed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("document", postgresql.BYTEA(), nullable=False),
        sa.CheckConstraint("(status = 'active') = (ended_at IS NULL)", name="enrolments_ended"),
        sa.CheckConstraint("due_at IS NULL OR status = 'active'", name="enrolments_due"),
        sa.CheckConstraint(
            "listens = (status = 'active' OR (window_opened_at IS NOT NULL AND window_stopped_at IS NULL))",
            name="enrolments_listens",
        ),
        sa.CheckConstraint("status IN ('active', 'completed', 'exited', 'goal_reached')", name="enrolments_status"),
        sa.CheckConstraint("(window_opened_at IS NULL) = (window_closes_at IS NULL)", name="enrolments_window"),
        sa.CheckConstraint(
            "(window_stopped_at IS NULL) = (window_stopped_by IS NULL) "
            "AND (window_stopped_at IS NULL OR window_opened_at IS NOT NULL)",
            name="enrolments_window_stopped",
        ),
        sa.ForeignKeyConstraint(
            ["workflow", "version"],
            ["nurture.workflow_versions.name", "nurture.workflow_versions.version"],
            name="enrolments_version_known",
        ),
        sa.PrimaryKeyConstraint("id"),
        schema="nurture",
    )
    op.create_index("enrolments_contact", "enrolments", ["contact_id"], unique=False, schema="nurture")
    op.create_index(
        "enrolments_due",
        "enrolments",
        ["due_at", "id"],
        unique=False,
        schema="nurture",
        postgresql_where=sa.text("status = 'active' AND due_at IS NOT NULL"),
    )
    op.create_index("enrolments_newest", "enrolments", ["started_at", "id"], unique=False, schema="nurture")
    op.create_index(
        "enrolments_one_active",
        "enrolments",
        ["workflow", "contact_id"],
        unique=True,
        schema="nurture",
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index(
        "enrolments_open_window",
        "enrolments",
        ["window_closes_at", "id"],
        unique=False,
        schema="nurture",
        postgresql_where=sa.text(
            "window_closes_at IS NOT NULL AND window_stopped_at IS NULL AND window_missed_at IS NULL"
        ),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("enrolment_id", sa.UUID(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("rep", sa.Text(), nullable=True),
        sa.Column("is_first", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fallback_channel", sa.Text(), nullable=True),
        sa.Column("fallback_target", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.UUID(), nullable=True),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column("withdrawn", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("payload", postgresql.BYTEA(), nullable=False),
        sa.CheckConstraint(
            "(state = 'claimed') = (lease_until IS NOT NULL) AND (state = 'claimed') = (lease_token IS NOT NULL) "
            "AND (state = 'claimed') = (leased_by IS NOT NULL) AND (state <> 'claimed' OR claimed_at IS NOT NULL)",
            name="deliveries_lease",
        ),
        sa.CheckConstraint("(state IN ('pending', 'claimed')) = (finished_at IS NULL)", name="deliveries_finished"),
        sa.CheckConstraint("channel IN ('webhook', 'email')", name="deliveries_channel"),
        sa.CheckConstraint("rep IS NULL OR channel = 'email'", name="deliveries_rep"),
        sa.CheckConstraint("state <> 'delivered' OR attempts > 0", name="deliveries_attempted"),
        sa.CheckConstraint(
            "state IN ('pending', 'claimed', 'delivered', 'failed', 'expired', 'cancelled')", name="deliveries_state"
        ),
        sa.CheckConstraint("(fallback_channel IS NULL) = (fallback_target IS NULL)", name="deliveries_fallback"),
        sa.CheckConstraint("tries BETWEEN 0 AND 20 AND attempts BETWEEN tries AND 1000", name="deliveries_attempts"),
        sa.ForeignKeyConstraint(["enrolment_id"], ["nurture.enrolments.id"], name="deliveries_enrolment"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("enrolment_id", "step", "channel", name="deliveries_once"),
        schema="nurture",
    )
    op.create_index(
        "deliveries_expiring",
        "deliveries",
        ["expires_at"],
        unique=False,
        schema="nurture",
        postgresql_where=sa.text("state = 'pending' AND expires_at IS NOT NULL"),
    )
    op.create_index(
        "deliveries_leases",
        "deliveries",
        ["lease_until"],
        unique=False,
        schema="nurture",
        postgresql_where=sa.text("state = 'claimed'"),
    )
    op.create_index("deliveries_newest", "deliveries", ["created_at", "id"], unique=False, schema="nurture")
    op.create_index(
        "deliveries_pending",
        "deliveries",
        ["endpoint", "due_at", "id"],
        unique=False,
        schema="nurture",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("enrolment_id", sa.UUID(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rep", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fallback_channel", sa.Text(), nullable=True),
        sa.Column("fallback_target", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("done_channel", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("payload", postgresql.BYTEA(), nullable=False),
        sa.CheckConstraint("(state = 'done') = (done_by IS NOT NULL)", name="tasks_done"),
        sa.CheckConstraint("(state = 'open') = (finished_at IS NULL)", name="tasks_finished"),
        sa.CheckConstraint("outcome IN ('reached', 'attempted')", name="tasks_outcome"),
        sa.CheckConstraint("state IN ('open', 'done', 'expired', 'cancelled')", name="tasks_state"),
        sa.CheckConstraint("(fallback_channel IS NULL) = (fallback_target IS NULL)", name="tasks_fallback"),
        sa.ForeignKeyConstraint(["enrolment_id"], ["nurture.enrolments.id"], name="tasks_enrolment"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("enrolment_id", "step", name="tasks_once"),
        schema="nurture",
    )
    op.create_index(
        "tasks_expiring",
        "tasks",
        ["expires_at"],
        unique=False,
        schema="nurture",
        postgresql_where=sa.text("state = 'open' AND expires_at IS NOT NULL"),
    )
    op.create_index("tasks_newest", "tasks", ["created_at", "id"], unique=False, schema="nurture")
    op.create_table(
        "attempts",
        sa.Column("delivery_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("excerpt", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('delivered', 'retry', 'failed', 'expired', 'unknown')", name="attempts_outcome"
        ),
        sa.CheckConstraint("number > 0", name="attempts_number"),
        sa.CheckConstraint("octet_length(excerpt) <= 20000", name="attempts_excerpt"),
        sa.ForeignKeyConstraint(["delivery_id"], ["nurture.deliveries.id"], name="attempts_delivery"),
        sa.PrimaryKeyConstraint("delivery_id", "number"),
        schema="nurture",
    )
    # A delivery is claimed and finished, so its row is written three times: its body must not be copied each time.
    op.execute("ALTER TABLE nurture.deliveries ALTER COLUMN payload SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE nurture.deliveries SET (toast_tuple_target = 256)")


def downgrade() -> None:
    op.drop_table("attempts", schema="nurture")
    op.drop_index("tasks_newest", table_name="tasks", schema="nurture")
    op.drop_index(
        "tasks_expiring",
        table_name="tasks",
        schema="nurture",
        postgresql_where=sa.text("state = 'open' AND expires_at IS NOT NULL"),
    )
    op.drop_table("tasks", schema="nurture")
    op.drop_index(
        "deliveries_pending", table_name="deliveries", schema="nurture", postgresql_where=sa.text("state = 'pending'")
    )
    op.drop_index("deliveries_newest", table_name="deliveries", schema="nurture")
    op.drop_index(
        "deliveries_leases", table_name="deliveries", schema="nurture", postgresql_where=sa.text("state = 'claimed'")
    )
    op.drop_index(
        "deliveries_expiring",
        table_name="deliveries",
        schema="nurture",
        postgresql_where=sa.text("state = 'pending' AND expires_at IS NOT NULL"),
    )
    op.drop_table("deliveries", schema="nurture")
    op.drop_index(
        "enrolments_open_window",
        table_name="enrolments",
        schema="nurture",
        postgresql_where=sa.text(
            "window_closes_at IS NOT NULL AND window_stopped_at IS NULL AND window_missed_at IS NULL"
        ),
    )
    op.drop_index(
        "enrolments_one_active",
        table_name="enrolments",
        schema="nurture",
        postgresql_where=sa.text("status = 'active'"),
    )
    op.drop_index("enrolments_newest", table_name="enrolments", schema="nurture")
    op.drop_index(
        "enrolments_due",
        table_name="enrolments",
        schema="nurture",
        postgresql_where=sa.text("status = 'active' AND due_at IS NOT NULL"),
    )
    op.drop_index("enrolments_contact", table_name="enrolments", schema="nurture")
    op.drop_table("enrolments", schema="nurture")
    op.drop_table("workflow_versions", schema="nurture")
    op.drop_table("turns", schema="nurture")
    op.drop_index("seen_updates_age", table_name="seen_updates", schema="nurture", postgresql_using="brin")
    op.drop_table("seen_updates", schema="nurture")
    op.drop_table("facts", schema="nurture")
    op.drop_table("endpoint_state", schema="nurture")
    op.drop_index("contact_merges_survivor", table_name="contact_merges", schema="nurture")
    op.drop_table("contact_merges", schema="nurture")
    drop_offset_tables("nurture")
