"""Learnt models: every version, which are in force, and when a fit was last tried.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("metrics", JSONB, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("trained_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True)),
        sa.Column("said", sa.Text, nullable=False),
        sa.CheckConstraint("kind IN ('lead', 'customer')", name="kind_known"),
        sa.CheckConstraint("state IN ('champion', 'challenger', 'retired')", name="state_known"),
        sa.CheckConstraint("state <> 'champion' OR chosen_at IS NOT NULL", name="champion_was_chosen"),
        schema=SCHEMA,
    )
    op.create_index(
        "models_one_champion", "models", ["kind"], unique=True, schema=SCHEMA,
        postgresql_where=sa.text("state = 'champion'"),
    )  # fmt: skip
    op.create_table(
        "fits",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.CheckConstraint("kind IN ('lead', 'customer')", name="kind_known"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("fits", schema=SCHEMA)
    op.drop_table("models", schema=SCHEMA)
