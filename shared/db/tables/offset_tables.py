"""The tables of the Kafka loop, in the schema of each consuming service, and their migrations.

The functions for migrations are history: they stay as they were, and a change is a new pair of them.
"""

from typing import get_args

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.sql.schema import SchemaItem

from shared.db.tables.checks import one_of
from shared.db.tables.halts import Cause
from shared.events.lanes import LANES
from shared.kafka.records import Kind


def _offsets() -> list[SchemaItem]:
    return [
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("published", sa.BigInteger, nullable=False),
        sa.CheckConstraint("published >= 0 AND published <= next_offset", name="published_within_next"),
    ]


def _of_a_position() -> list[sa.Column[object]]:
    return [
        sa.Column("base", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("last_record", BYTEA),
    ]


_BASE = "base >= 0 AND base <= next_offset"


def _dead_letters() -> list[SchemaItem]:
    return [
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("offset", sa.BigInteger, primary_key=True),
        sa.Column("key", BYTEA),
        sa.Column("value", BYTEA, nullable=False),
        sa.Column("error_class", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint('"offset" >= 0', name="offset_not_negative"),
    ]


def _of_a_failure() -> list[sa.Column[object]]:
    return [
        sa.Column("kind", sa.Text, nullable=False, server_default="permanent"),
        sa.Column("source", sa.Text, nullable=False, server_default="unknown"),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="1"),
        sa.Column("first_failed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("redriven_at", sa.DateTime(timezone=True)),
    ]


def _halts(lane_known: str, cause_known: str) -> list[SchemaItem]:
    return [
        sa.Column("lane", sa.Text, primary_key=True),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("halted_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint(lane_known, name="lane_known"),
        sa.CheckConstraint(cause_known, name="cause_known"),
    ]


def offset_tables(metadata: sa.MetaData) -> None:
    """`consumer_offsets`, `dead_letters` and `consumer_halts` in the service's metadata."""
    base = sa.CheckConstraint(_BASE, name="base_within_next")
    sa.Table("consumer_offsets", metadata, *_offsets(), *_of_a_position(), base)
    known = sa.CheckConstraint(one_of("kind", get_args(Kind)), name="kind_known")
    sa.Table("dead_letters", metadata, *_dead_letters(), *_of_a_failure(), known)
    sa.Table("consumer_halts", metadata, *_halts(one_of("lane", LANES), one_of("cause", get_args(Cause))))


_OURS = sa.MetaData()  # without a schema: that of the connection
offset_tables(_OURS)
CONSUMER_OFFSETS = _OURS.tables["consumer_offsets"]
DEAD_LETTERS = _OURS.tables["dead_letters"]


def create_offset_tables(schema: str) -> None:
    """For a service's first migration: offsets and dead letters, in its schema."""
    op.create_table("consumer_offsets", *_offsets(), schema=schema)
    op.create_table("dead_letters", *_dead_letters(), schema=schema)


def drop_offset_tables(schema: str) -> None:
    """For the downgrade of a service's first migration."""
    op.drop_table("dead_letters", schema=schema)
    op.drop_table("consumer_offsets", schema=schema)


def create_halts(schema: str) -> None:
    """Each lane halts by itself and stays halted over a restart; a dead letter has its kind and its source."""
    halts = _halts("lane IN ('live', 'bulk')", "cause IN ('failures', 'position')")
    op.create_table("consumer_halts", *halts, schema=schema)
    for column in _of_a_failure():
        op.add_column("dead_letters", column, schema=schema)
    op.execute(f"UPDATE {schema}.dead_letters SET first_failed_at = failed_at, "  # noqa: S608 - a name of ours
               "kind = CASE error_class WHEN 'Permanent' THEN 'permanent' ELSE 'unforeseen' END")  # fmt: skip
    known = "kind IN ('permanent', 'unforeseen')"
    op.create_check_constraint("kind_known", "dead_letters", known, schema=schema)


def drop_halts(schema: str) -> None:
    """The way back."""
    op.drop_constraint("kind_known", "dead_letters", schema=schema)
    for column in reversed(_of_a_failure()):
        op.drop_column("dead_letters", column.name, schema=schema)
    op.drop_table("consumer_halts", schema=schema)


def add_positions(schema: str) -> None:
    """Progress is more than an offset: the last record's fingerprint, and where the present log begins."""
    for column in _of_a_position():
        op.add_column("consumer_offsets", column, schema=schema)
    op.create_check_constraint("base_within_next", "consumer_offsets", _BASE, schema=schema)


def drop_positions(schema: str) -> None:
    """The way back."""
    op.drop_constraint("base_within_next", "consumer_offsets", schema=schema)
    for column in reversed(_of_a_position()):
        op.drop_column("consumer_offsets", column.name, schema=schema)
