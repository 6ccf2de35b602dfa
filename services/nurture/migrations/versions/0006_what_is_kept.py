"""What is old is found and dropped, little is kept of answers, and what a person looks for is found at once."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INDEXES = (
    ("enrolments_ended", "enrolments", ["ended_at"], "ended_at IS NOT NULL"),
    (
        "enrolments_missed",
        "enrolments",
        ["started_at", "id"],
        "window_missed_at IS NOT NULL AND window_stopped_at IS NULL",
    ),
    ("deliveries_failed", "deliveries", ["created_at", "id"], "state = 'failed'"),
    ("tasks_open", "tasks", ["created_at", "id"], "state = 'open'"),
)


def upgrade() -> None:
    op.drop_constraint("attempts_excerpt", "attempts", schema="nurture")
    op.execute("UPDATE nurture.attempts SET excerpt = left(excerpt, 100) WHERE octet_length(excerpt) > 400")
    op.create_check_constraint("attempts_excerpt", "attempts", "octet_length(excerpt) <= 400", schema="nurture")
    op.create_index("attempts_age", "attempts", ["finished_at"], schema="nurture", postgresql_using="brin")
    for name, table, columns, where in _INDEXES:
        op.create_index(name, table, columns, schema="nurture", postgresql_where=sa.text(where))


def downgrade() -> None:
    for name, table, _columns, _where in reversed(_INDEXES):
        op.drop_index(name, table_name=table, schema="nurture")
    op.drop_index("attempts_age", table_name="attempts", schema="nurture", postgresql_using="brin")
    op.drop_constraint("attempts_excerpt", "attempts", schema="nurture")
    op.create_check_constraint("attempts_excerpt", "attempts", "octet_length(excerpt) <= 20000", schema="nurture")
