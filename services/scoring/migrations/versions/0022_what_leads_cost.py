"""Recorded costs are shared by the leads of their period: when each lead asked, what brought it, its shares.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.add_column("contacts", sa.Column("asked_at", sa.DateTime(timezone=True)), schema=SCHEMA)
    op.add_column("contacts", sa.Column("campaign", sa.Text), schema=SCHEMA)
    op.add_column("contacts", sa.Column("via", sa.Text), schema=SCHEMA)
    op.execute(f"""
        UPDATE {SCHEMA}.contacts AS c SET asked_at = to_timestamp(CAST(s.state -> 'first_source' ->> 0 AS float8)),
            campaign = s.state -> 'journey' -> 1 ->> 1
        FROM (SELECT id, CAST(convert_from(state, 'UTF8') AS jsonb) AS state FROM {SCHEMA}.contacts) AS s
        WHERE s.id = c.id AND c.source IS NOT NULL
    """)  # noqa: S608 - no input
    op.create_index(
        "contacts_asked",
        "contacts",
        ["asked_at", "id"],
        schema=SCHEMA,
        postgresql_include=["source", "campaign", "via"],
        postgresql_where=sa.text("asked_at IS NOT NULL AND merged_into IS NULL"),
    )
    op.create_table(
        "costs",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", UUID, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("campaign", sa.Text),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True)),
        sa.Column("spread", sa.BigInteger),
        sa.Column("leads", sa.BigInteger, nullable=False, server_default="0"),
        sa.CheckConstraint("until > since", name="lasts"),
        sa.CheckConstraint("spread >= 0", name="spread_not_negative"),
        schema=SCHEMA,
    )
    op.create_table(
        "cost_shares",
        sa.Column("cost", sa.Text, primary_key=True),
        sa.Column("contact_id", UUID, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.CheckConstraint("amount >= 0", name="amount_not_negative"),
        schema=SCHEMA,
    )
    op.create_index("cost_shares_contact", "cost_shares", ["contact_id"], schema=SCHEMA)
    op.create_table("cost_due", sa.Column("contact_id", UUID, primary_key=True), schema=SCHEMA)
    for name in ("recorded", "cost"):
        op.add_column("funnel", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"), schema=SCHEMA)
        op.alter_column("funnel", name, server_default=None, schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("funnel", "cost", schema=SCHEMA)
    op.drop_column("funnel", "recorded", schema=SCHEMA)
    for name in ("cost_due", "cost_shares", "costs"):
        op.drop_table(name, schema=SCHEMA)
    op.drop_index("contacts_asked", "contacts", schema=SCHEMA)
    for name in ("via", "campaign", "asked_at"):
        op.drop_column("contacts", name, schema=SCHEMA)
