"""The tables of the Kafka loop, in the schema of each consuming service. Their migrations: offset_migrations.py."""

from typing import get_args

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.sql.schema import SchemaItem

from shared.db.tables.checks import one_of
from shared.db.tables.halts import Cause
from shared.events.lanes import LANES
from shared.kafka.records import Kind


def offsets() -> list[SchemaItem]:
    """The first columns of `consumer_offsets`."""
    return [
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("published", sa.BigInteger, nullable=False),
        sa.CheckConstraint("published >= 0 AND published <= next_offset", name="published_within_next"),
    ]


def of_a_position() -> list[sa.Column[object]]:
    """What a position is beside its offset."""
    return [
        sa.Column("base", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("last_record", BYTEA),
    ]


BASE = "base >= 0 AND base <= next_offset"


def dead_letters() -> list[SchemaItem]:
    """The first columns of `dead_letters`."""
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


def of_a_failure() -> list[sa.Column[object]]:
    """What is known of a failure beside its reason."""
    return [
        sa.Column("kind", sa.Text, nullable=False, server_default="permanent"),
        sa.Column("source", sa.Text, nullable=False, server_default="unknown"),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="1"),
        sa.Column("first_failed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("redriven_at", sa.DateTime(timezone=True)),
    ]


def halts(lane_known: str, cause_known: str) -> list[SchemaItem]:
    """What `consumer_halts` holds. The two conditions: which lanes and causes there are."""
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
    base = sa.CheckConstraint(BASE, name="base_within_next")
    sa.Table("consumer_offsets", metadata, *offsets(), *of_a_position(), base)
    known = sa.CheckConstraint(one_of("kind", get_args(Kind)), name="kind_known")
    sa.Table("dead_letters", metadata, *dead_letters(), *of_a_failure(), known)
    sa.Table("consumer_halts", metadata, *halts(one_of("lane", LANES), one_of("cause", get_args(Cause))))


_OURS = sa.MetaData()  # without a schema: that of the connection
offset_tables(_OURS)
CONSUMER_OFFSETS = _OURS.tables["consumer_offsets"]
DEAD_LETTERS = _OURS.tables["dead_letters"]
