"""The tables of learnt models: every version, what one learnt online since its fit, and when a fit was last tried.

Beside them the response curves of the queue, as they were last fitted.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from services.scoring.domain.model.learnt import KINDS
from shared.db.tables.checks import one_of


def model_tables(metadata: sa.MetaData) -> None:
    """Add them."""
    models = sa.Table(
        "models",
        metadata,
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),  # as text: its hash is in the version
        sa.Column("metrics", JSONB, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("trained_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True)),  # when it last came in force
        sa.Column("said", sa.Text, nullable=False),
        sa.CheckConstraint(one_of("kind", KINDS), name="kind_known"),
        sa.CheckConstraint("state IN ('champion', 'challenger', 'retired')", name="state_known"),
        sa.CheckConstraint("state <> 'champion' OR chosen_at IS NOT NULL", name="champion_was_chosen"),
    )
    sa.Index("models_one_champion", models.c.kind, unique=True, postgresql_where=sa.text("state = 'champion'"))
    sa.Table(  # what a lead model has learnt online since its fit
        "model_steps",
        metadata,
        sa.Column("version", sa.Text, sa.ForeignKey("scoring.models.version"), primary_key=True),
        sa.Column("step", sa.Text, nullable=False),  # a hash of the parameters
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("leads", sa.BigInteger, nullable=False),  # whose outcome taught it
        sa.Column("bought", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    sa.Table(
        "fits",
        metadata,
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.CheckConstraint(one_of("kind", KINDS), name="kind_known"),
    )
    sa.Table(
        "response_fits",
        metadata,
        sa.Column("curve", sa.Text, primary_key=True),  # the source that has one of its own; empty: all others
        *(sa.Column(name, sa.Double, nullable=False) for name in ("phi", "tau", "beta")),  # as it was set
        *(sa.Column(name, sa.Double, nullable=False) for name in ("steepness", "low", "high")),
        sa.Column("answers", sa.BigInteger, nullable=False),
        sa.Column("bought", sa.BigInteger, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("low <= steepness AND steepness <= high AND low > 0", name="within_its_interval"),
    )
