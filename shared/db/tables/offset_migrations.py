"""Migrations of the Kafka loop's tables. They are history: they stay as they were, and a change is a new pair of them.

Apart from the tables, since Alembic takes 7 MB of each service that imports it.
"""

from alembic import op

from shared.db.tables import offset_tables as tables


def create_offset_tables(schema: str) -> None:
    """For a service's first migration: offsets and dead letters, in its schema."""
    op.create_table("consumer_offsets", *tables.offsets(), schema=schema)
    op.create_table("dead_letters", *tables.dead_letters(), schema=schema)


def drop_offset_tables(schema: str) -> None:
    """For the downgrade of a service's first migration."""
    op.drop_table("dead_letters", schema=schema)
    op.drop_table("consumer_offsets", schema=schema)


def create_halts(schema: str) -> None:
    """Each lane halts by itself and stays halted over a restart; a dead letter has its kind and its source."""
    columns = tables.halts("lane IN ('live', 'bulk')", "cause IN ('failures', 'position')")
    op.create_table("consumer_halts", *columns, schema=schema)
    for column in tables.of_a_failure():
        op.add_column("dead_letters", column, schema=schema)
    op.execute(f"UPDATE {schema}.dead_letters SET first_failed_at = failed_at, "  # noqa: S608 - a name of ours
               "kind = CASE error_class WHEN 'Permanent' THEN 'permanent' ELSE 'unforeseen' END")  # fmt: skip
    known = "kind IN ('permanent', 'unforeseen')"
    op.create_check_constraint("kind_known", "dead_letters", known, schema=schema)


def drop_halts(schema: str) -> None:
    """The way back."""
    op.drop_constraint("kind_known", "dead_letters", schema=schema)
    for column in reversed(tables.of_a_failure()):
        op.drop_column("dead_letters", column.name, schema=schema)
    op.drop_table("consumer_halts", schema=schema)


def add_positions(schema: str) -> None:
    """Progress is more than an offset: the last record's fingerprint, and where the present log begins."""
    for column in tables.of_a_position():
        op.add_column("consumer_offsets", column, schema=schema)
    op.create_check_constraint("base_within_next", "consumer_offsets", tables.BASE, schema=schema)


def drop_positions(schema: str) -> None:
    """The way back."""
    op.drop_constraint("base_within_next", "consumer_offsets", schema=schema)
    for column in reversed(tables.of_a_position()):
        op.drop_column("consumer_offsets", column.name, schema=schema)
