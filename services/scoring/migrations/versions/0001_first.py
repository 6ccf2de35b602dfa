"""Contacts, identities, events, bookings, offsets.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA, UUID

from shared.db.tables.offset_migrations import create_offset_tables, drop_offset_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("lead_value", sa.BigInteger, nullable=False),
        sa.Column("customer_value", sa.BigInteger, nullable=False),
        sa.Column("open_since", sa.DateTime(timezone=True)),
        sa.Column("touched_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("merged_into", UUID),
        sa.Column("state", BYTEA, nullable=False),
        sa.CheckConstraint("version > 0", name="version_positive"),
        sa.CheckConstraint("stage IN ('visitor', 'lead', 'customer')", name="stage_known"),
        sa.CheckConstraint(
            "merged_into IS NULL OR (lead_value = 0 AND customer_value = 0 AND merged_into <> id)",
            name="merged_has_no_value",
        ),
        schema=SCHEMA,
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "contacts_waiting",
        "contacts",
        ["open_since"],
        schema=SCHEMA,
        postgresql_where=sa.text("open_since IS NOT NULL AND merged_into IS NULL"),
    )
    op.create_table(
        "identities",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("contact_id", UUID, sa.ForeignKey("scoring.contacts.id"), nullable=False),
        schema=SCHEMA,
    )
    op.create_index("identities_contact", "identities", ["contact_id"], schema=SCHEMA)
    op.create_table(
        "events",
        sa.Column("id", UUID, primary_key=True),
        sa.Column("contact_id", UUID),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("body", BYTEA, nullable=False),
        sa.Column("update", BYTEA),
        sa.CheckConstraint('(contact_id IS NULL) = ("update" IS NULL)', name="an_update_is_about_a_contact"),
        schema=SCHEMA,
        # Rows of 2 to 8 KB stay whole: compressing each would cost more than it saves.
        postgresql_with={"toast_tuple_target": "8160"},
    )
    op.create_index("events_place", "events", ["topic", "partition", "offset"], unique=True, schema=SCHEMA)
    op.create_index(
        "events_contact",
        "events",
        ["contact_id", "time"],
        schema=SCHEMA,
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_table(
        "bookings",
        sa.Column("contact_id", UUID, primary_key=True),
        sa.Column("event_id", UUID, primary_key=True),
        sa.Column("line", sa.SmallInteger, primary_key=True),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("factor", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("account IN ('lead', 'customer')", name="account_known"),
        sa.CheckConstraint("amount <> 0", name="amount_not_zero"),
        schema=SCHEMA,
    )
    create_offset_tables(SCHEMA)


def downgrade() -> None:
    drop_offset_tables(SCHEMA)
    for table in ("bookings", "events", "identities", "contacts"):
        op.drop_table(table, schema=SCHEMA)
