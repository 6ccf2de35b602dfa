"""Consent belongs to an address, and a mail knows where it goes and what for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", "channel", "purpose"),
        schema="nurture",
    )
    for name in ("recipient", "purpose", "public_source"):
        op.add_column("deliveries", sa.Column(name, sa.Text(), nullable=True), schema="nurture")
    # What was made before goes where it would have gone.
    op.execute("""
        UPDATE nurture.deliveries AS d SET recipient = p.address, purpose = 'follow-up'
        FROM (
            SELECT id, convert_from(payload, 'UTF8')::json #>> '{data,contact,email}' AS address
            FROM nurture.deliveries WHERE channel = 'email' AND rep IS NULL
        ) AS p
        WHERE d.id = p.id AND p.address IS NOT NULL
    """)
    op.create_check_constraint(
        "deliveries_recipient",
        "deliveries",
        "recipient IS NULL OR (channel = 'email' AND rep IS NULL)",
        schema="nurture",
    )
    op.create_check_constraint(
        "deliveries_purpose",
        "deliveries",
        "(recipient IS NULL) = (purpose IS NULL) AND (recipient IS NOT NULL OR public_source IS NULL)",
        schema="nurture",
    )


def downgrade() -> None:
    op.drop_constraint("deliveries_purpose", "deliveries", schema="nurture")
    op.drop_constraint("deliveries_recipient", "deliveries", schema="nurture")
    for name in ("public_source", "purpose", "recipient"):
        op.drop_column("deliveries", name, schema="nurture")
    op.drop_table("consents", schema="nurture")
