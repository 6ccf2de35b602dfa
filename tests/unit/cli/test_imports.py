"""The command starts every process of an installation: what one command needs, the others do not pay for."""

import subprocess
import sys
from typing import Final

# A second and 60 MB of each process, ingest's workers among them.
_HEAVY: Final = ("aiokafka", "alembic", "asyncpg", "fastapi", "httpx", "jinja2", "numpy", "phonenumbers", "sqlalchemy")


def test_the_command_itself_imports_nothing_heavy() -> None:
    code = f"import sys, services.cli.main; print(*(set({_HEAVY!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
