"""A lead model learns between its fits: what it has come to, and an index of who bought lately.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "model_steps",
        sa.Column("version", sa.Text, sa.ForeignKey(f"{SCHEMA}.models.version"), primary_key=True),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("leads", sa.BigInteger, nullable=False),
        sa.Column("bought", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        schema=SCHEMA,
    )
    op.create_index(
        "events_bought",
        "events",
        ["stored_at"],
        schema=SCHEMA,
        postgresql_include=["contact_id"],
        postgresql_where=sa.text("type = 'purchase.completed'"),
    )


def downgrade() -> None:
    op.drop_index("events_bought", "events", schema=SCHEMA)
    op.drop_table("model_steps", schema=SCHEMA)
