"""One lock for each contact, which also says into whom it was merged; and what lately happened to it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("merged_into", sa.UUID(), nullable=True),
        sa.CheckConstraint("merged_into <> id", name="contacts_apart"),
        sa.PrimaryKeyConstraint("id"),
        schema="nurture",
    )
    op.execute("INSERT INTO nurture.contacts (id, merged_into) SELECT loser, survivor FROM nurture.contact_merges")
    op.drop_index("contact_merges_survivor", table_name="contact_merges", schema="nurture")
    op.drop_table("contact_merges", schema="nurture")
    op.create_table(
        "recent_events",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("contact_id", sa.UUID(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", postgresql.BYTEA(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema="nurture",
    )
    op.create_index(
        "recent_events_contact",
        "recent_events",
        ["contact_id", "type", "happened_at"],
        unique=False,
        schema="nurture",
    )
    op.create_index("recent_events_age", "recent_events", ["happened_at"], unique=False, schema="nurture")


def downgrade() -> None:
    op.drop_table("recent_events", schema="nurture")
    op.create_table(
        "contact_merges",
        sa.Column("loser", sa.UUID(), nullable=False),
        sa.Column("survivor", sa.UUID(), nullable=False),
        sa.CheckConstraint("loser <> survivor", name="contact_merges_apart"),
        sa.PrimaryKeyConstraint("loser"),
        schema="nurture",
    )
    op.create_index("contact_merges_survivor", "contact_merges", ["survivor"], unique=False, schema="nurture")
    op.execute(
        "INSERT INTO nurture.contact_merges (loser, survivor) "
        "SELECT id, merged_into FROM nurture.contacts WHERE merged_into IS NOT NULL"
    )
    op.drop_table("contacts", schema="nurture")
