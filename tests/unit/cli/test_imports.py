"""The command starts every process of an installation: what one command needs, the others do not pay for."""

import subprocess
import sys
from typing import Final

import pytest

# A second and 60 MB of each process, ingest's workers among them.
_HEAVY: Final = (
    "aiohttp",
    "aiokafka",
    "alembic",
    "asyncpg",
    "cel",
    "fastapi",
    "httpx",
    "jinja2",
    "numpy",
    "phonenumbers",
    "sqlalchemy",
)


def _heavy_of(module: str) -> list[str]:
    code = f"import sys, {module}; print(*sorted(set({_HEAVY!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_the_command_itself_imports_nothing_heavy() -> None:
    assert _heavy_of("services.cli.main") == []


def test_what_needs_the_database_imports_no_service_s_configuration() -> None:
    assert _heavy_of("services.cli.service_database") == ["asyncpg", "sqlalchemy"]


@pytest.mark.parametrize("service", ["nurture", "scoring"])
def test_what_setup_and_fits_need_takes_no_memory_of_a_service(service: str) -> None:
    assert not {"aiohttp", "alembic", "httpx", "numpy"} & set(_heavy_of(f"services.{service}.app"))
