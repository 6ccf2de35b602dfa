"""`make migration` drafts what the code's tables have beyond the last migration, and nothing when they are equal."""

import asyncio
import shutil
from pathlib import Path

import sqlalchemy as sa

from shared.db.engine import make_engine
from shared.db.migrate import LOCK, migrate
from tests.support.new_migration import ROOT, draft
from tests.support.waiting import until

# Of a copy: the tables of this process stay as they are, for the tests that come after.
MORE = """
from sqlalchemy import Column, MetaData, Text

ours, metadata = metadata, MetaData()
for table in ours.sorted_tables:
    table.to_metadata(metadata)
metadata.tables["scoring.contacts"].append_column(Column("favourite_colour", Text))
"""
SCORING = ROOT / "services" / "scoring" / "migrations"


def copied(folder: Path) -> Path:
    copy = folder / "migrations"
    shutil.copytree(SCORING, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


async def test_equal_tables_draft_nothing_to_do(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    newest = max(int(path.name[:4]) for path in (folder / "versions").glob("[0-9]*.py"))
    written = await draft("scoring", "nothing new", folder)
    assert written.name == f"{newest + 1:04d}_nothing_new.py"
    text = written.read_text()
    assert f"down_revision = '{newest:04d}'" in text
    assert "op." not in text


async def test_a_column_that_no_migration_made_is_drafted(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    environment = (folder / "env.py").read_text()
    (folder / "env.py").write_text(environment.replace("\nrun_environment", f"\n{MORE}\nrun_environment"))
    text = (await draft("scoring", "a colour", folder)).read_text()
    assert "favourite_colour" in text.split("def downgrade")[0]
    assert "drop_column" in text.split("def downgrade")[1]


async def test_while_one_process_migrates_another_waits(database: str) -> None:
    waits = sa.text("""
        SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND locktype = 'advisory' AND application_name = 'firsthour-migrate-scoring'
            AND datname = current_database()
    """)
    engine = make_engine(database, application="test", schema="scoring")

    async def waiting() -> bool:
        async with engine.connect() as conn:
            return migrating.done() or bool((await conn.execute(waits)).scalar_one())

    async with engine.begin() as conn:
        await conn.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        migrating = asyncio.create_task(migrate(database, "scoring"))
        await until(waiting)
        assert not migrating.done()
    await migrating
    await engine.dispose()
