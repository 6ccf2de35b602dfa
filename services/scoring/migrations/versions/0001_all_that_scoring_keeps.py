"""Contacts, their identities, events and bookings: all that scoring keeps."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.db.offsets import create_offset_tables, drop_offset_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_WAITING = sa.text("waiting_since IS NOT NULL")


def upgrade() -> None:
    create_offset_tables("scoring")
    op.create_table(
        "contacts",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", postgresql.BYTEA(), nullable=False),
        sa.Column("lead_value", sa.BigInteger(), nullable=False),
        sa.Column("customer_value", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("merged_into", sa.UUID(), nullable=True),
        sa.CheckConstraint("version > 0", name="contacts_version"),
        sa.CheckConstraint("stage IN ('visitor', 'lead', 'customer')", name="contacts_stage"),
        sa.CheckConstraint("stage = 'lead' OR lead_value = 0", name="contacts_only_leads_have_lead_value"),
        sa.CheckConstraint("waiting_since IS NULL OR stage = 'lead'", name="contacts_only_leads_wait"),
        sa.CheckConstraint(
            "merged_into IS NULL OR (merged_into <> id AND lead_value = 0 AND customer_value = 0 "
            "AND stage = 'visitor')",
            name="contacts_merged_hold_nothing",
        ),
        sa.PrimaryKeyConstraint("id"),
        schema="scoring",
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("contacts_in_order", "contacts", ["created_at", "id"], schema="scoring")
    op.create_index(
        "contacts_merged", "contacts", ["merged_into"], schema="scoring",
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )  # fmt: skip
    op.create_index("contacts_waiting", "contacts", ["waiting_since"], schema="scoring", postgresql_where=_WAITING)
    op.create_index("contacts_waiting_value", "contacts", ["lead_value"], schema="scoring", postgresql_where=_WAITING)
    op.create_table(
        "identities",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        schema="scoring",
    )
    op.create_index("ix_scoring_identities_contact_id", "identities", ["contact_id"], schema="scoring")
    op.create_table(
        "events",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("contact_id", sa.UUID(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received", sa.DateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.BYTEA(), nullable=False),
        sa.Column("update", postgresql.BYTEA(), nullable=True),
        sa.CheckConstraint('(contact_id IS NULL) = ("update" IS NULL)', name="events_update_of_contact"),
        sa.PrimaryKeyConstraint("id"),
        schema="scoring",
    )
    op.create_index("events_place", "events", ["topic", "partition", "offset"], unique=True, schema="scoring")
    op.create_index("events_of_contact", "events", ["contact_id", "time", "id"], schema="scoring")
    op.create_table(
        "bookings",
        sa.Column("contact_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("factor", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("account IN ('lead', 'customer')", name="bookings_account"),
        sa.CheckConstraint("amount <> 0", name="bookings_amount"),
        sa.PrimaryKeyConstraint("contact_id", "event_id", "line"),
        schema="scoring",
    )
    op.create_index("bookings_in_order", "bookings", ["contact_id", "time", "event_id", "line"], schema="scoring")


def downgrade() -> None:
    for table in ("bookings", "events", "identities", "contacts"):
        op.drop_table(table, schema="scoring")
    drop_offset_tables("scoring")
