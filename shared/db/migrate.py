"""Migrations: one alembic environment and schema per service, under a lock so that no two replicas migrate at once."""

from pathlib import Path
from typing import Final

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData, text

from shared.db.engine import make_engine

LOCK: Final = 0x46_48_4D_49  # "FHMI": must be the same in every release, or two releases could migrate at once
_ROOT: Final = Path(__file__).resolve().parents[2]
_STORED: Final = text("""
    SELECT relname, coalesce(reloptions, '{}') AS options FROM pg_class
    WHERE relnamespace = CAST(:schema AS regnamespace) AND relkind = 'r'
""")


async def migrate(database_url: str, service: str, revision: str = "head") -> None:
    """Bring the service's schema up (or down) to `revision`. `base` leaves the schema empty."""
    engine = make_engine(
        database_url, application=f"firsthour-migrate-{service}", schema=service, pool_size=1, patient=True
    )
    try:
        async with engine.begin() as conn:
            await conn.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            await conn.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{service}"'))
            await conn.run_sync(_alembic, service, revision)
    finally:
        await engine.dispose()


def _alembic(connection: Connection, service: str, revision: str) -> None:
    config = Config()
    folder = str(_ROOT / "services" / service / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    if revision == "base" or revision.startswith("-"):
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)


def run_environment(schema: str, metadata: MetaData) -> None:
    """What a service's `migrations/env.py` calls: runs inside the transaction that `migrate` opened."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        version_table="schema_version",
        version_table_schema=schema,
        include_schemas=True,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def differences(database_url: str, service: str, metadata: MetaData) -> list[object]:
    """What would still have to change in the migrated schema to match the tables in code; empty if nothing."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - only tests and `make lint` ask
    from alembic.migration import MigrationContext  # noqa: PLC0415 - see above

    def compare(connection: Connection) -> list[object]:
        migration = MigrationContext.configure(
            connection,
            opts={
                "version_table": "schema_version",
                "version_table_schema": service,
                "include_schemas": True,
                "include_name": lambda name, kind, _parents: kind != "schema" or name == service,
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        return [*compare_metadata(migration, metadata), *_stored_otherwise(connection, service, metadata)]

    # An empty search path: with the schema in it, Postgres reports the tables without their schema.
    engine = make_engine(database_url, application="firsthour-compare", schema="pg_catalog", pool_size=1)
    try:
        async with engine.connect() as conn:
            return await conn.run_sync(compare)
    finally:
        await engine.dispose()


def _stored_otherwise(connection: Connection, schema: str, metadata: MetaData) -> list[object]:
    """Tables with other storage parameters (`fillfactor` …) than the code says, which Alembic does not compare."""
    stored = {row.relname: sorted(row.options) for row in connection.execute(_STORED, {"schema": schema})}
    said = {
        table.name: sorted(
            f"{name}={value}" for name, value in (table.dialect_kwargs.get("postgresql_with") or {}).items()
        )
        for table in metadata.tables.values()
    }
    return [
        ("storage", name, stored[name], options)
        for name, options in said.items()
        if name in stored and stored[name] != options
    ]
