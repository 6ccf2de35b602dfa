"""`make migration SERVICE=nurture NAME="lanes of deliveries"`: a new migration, drafted from what the tables in code have.

The draft says what differs from the newest migration, found on a Postgres of its own. Read it before you keep it: data has to be
carried over by hand, and names that change look like a table gone and another come.
"""

import argparse
import asyncio
import re
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from embedded.brokers.postgres import Postgres
from shared.db.engine import make_engine
from shared.db.migrate import migrate
from shared.db.services import SERVICES

ROOT = Path(__file__).parents[2]


def next_revision(versions: Path) -> str:
    """The number behind the newest in the folder: `0002` beside `0001_first.py`."""
    numbers = [int(found[1]) for path in versions.glob("*.py") if (found := re.match(r"(\d{4})_", path.name))]
    return f"{max(numbers, default=0) + 1:04d}"


async def draft(service: str, name: str, folder: Path) -> Path:
    """Write the draft beside the service's other migrations, which are in `folder`; return its path."""
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    revision = next_revision(folder / "versions")

    def write(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.revision(config, message=name, autogenerate=True, rev_id=revision)

    with tempfile.TemporaryDirectory(prefix="firsthour-migration-") as state:
        postgres = Postgres(Path(state), fsync=False)
        await postgres.start()
        try:
            await migrate(postgres.url, service)
            # With the schema in the search path, Postgres would report its tables without their schema.
            engine = make_engine(postgres.url, application="firsthour-draft", schema="pg_catalog", pool_size=1)
            try:
                async with engine.connect() as conn:
                    await conn.run_sync(write)
            finally:
                await engine.dispose()
        finally:
            await postgres.stop()
    return next((folder / "versions").glob(f"{revision}_*.py"))


def main() -> None:
    """Draft one migration, and say where it is."""
    parser = argparse.ArgumentParser(prog="make migration", description=__doc__)
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("name", help='in a few words, as in "lanes of deliveries"')
    asked = parser.parse_args()
    path = asyncio.run(draft(asked.service, asked.name, ROOT / "services" / asked.service / "migrations"))
    sys.stdout.write(f"{path.relative_to(ROOT)}: read it, carry the data over, then `make format`\n")


if __name__ == "__main__":
    main()
