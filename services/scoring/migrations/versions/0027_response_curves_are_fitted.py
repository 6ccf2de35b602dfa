"""Response curves are fitted to one's own leads.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "response_fits",
        sa.Column("curve", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("phi", "tau", "beta")),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("steepness", "low", "high")),
        sa.Column("answers", sa.BigInteger, nullable=False),
        sa.Column("bought", sa.BigInteger, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("low <= steepness AND steepness <= high AND low > 0", name="within_its_interval"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("response_fits", schema=SCHEMA)
