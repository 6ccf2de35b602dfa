"""Alembic's way into the schema of nurture; shared/db/migrate.py calls it."""

from services.nurture.tables import SCHEMA, metadata
from shared.db.migrate import run_environment

run_environment(SCHEMA, metadata)
