"""Alembic's way into the schema of scoring; shared/db/migrate.py calls it."""

from services.scoring.tables import SCHEMA, metadata
from shared.db.migrate import run_environment

run_environment(SCHEMA, metadata)
