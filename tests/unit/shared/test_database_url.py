"""The URL alone says how we connect."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.db.database_url import STATE_FILE, NotAPostgresUrl, dsn, forget_libpq, state_url, with_state_password
from shared.settings import Settings, load

# asyncpg's own reading of the URL, in a process whose shell speaks of another database.
READ = """
import os, sys
from asyncpg.connect_utils import _parse_connect_dsn_and_args as read
from shared.db.database_url import dsn, forget_libpq
forget_libpq(os.environ)
nothing = dict.fromkeys(("host", "port", "user", "password", "passfile", "database", "ssl", "service",
    "servicefile", "direct_tls", "server_settings", "target_session_attrs", "krbsrvname", "gsslib"))
addresses, how = read(dsn=dsn(sys.argv[1]), **nothing)
print(addresses, how.user, how.password, how.database, [each for each in how._asdict().items() if each[0] != "ssl"])
"""
SHELL = {
    "PGHOST": "elsewhere.invalid", "PGPORT": "1", "PGUSER": "nobody", "PGPASSWORD": "wrong", "PGDATABASE": "none",
    "PGPASSFILE": "/nowhere", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nowhere", "PGSSLNEGOTIATION": "direct",
    "PGSERVICE": "other", "PGSERVICEFILE": "/nowhere", "PGTARGETSESSIONATTRS": "read-only", "PGKRBSRVNAME": "other",
    "PGGSSLIB": "sspi", "PGSSLCERT": "/nowhere", "PGSSLMINPROTOCOLVERSION": "TLSv9",
}  # fmt: skip


def read(url: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", READ, url],
        env={"USER": "me", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1:15432/firsthour",
        "postgresql+asyncpg://ada@[::1]",
        "postgresql:///firsthour",
        "postgresql://ada:x@db/firsthour?sslmode=require&application_name=mine",
    ],
)
def test_the_shell_s_variables_change_nothing(url: str) -> None:
    assert read(url, **SHELL) == read(url)


def test_what_the_url_says_counts() -> None:
    two = "[('one', 5433), ('two', 5434)] ada s@cret shop "
    assert read("postgresql://ada:s%40cret@one:5433,two:5434/shop?target_session_attrs=read-write", **SHELL).startswith(
        two
    )
    assert read("postgresql://ada:s%40cret@/shop?host=one:5433&host=two:5434").startswith(two), "SQLAlchemy's way"


@pytest.mark.parametrize("url", ["mysql://ada:secret-word@db/x", "db:5432", "", "host=db password=secret-word"])
def test_another_kind_of_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(NotAPostgresUrl) as problem:
        dsn(url)
    assert "secret-word" not in str(problem.value)


def test_other_variables_stay() -> None:
    environment = {**SHELL, "PATH": "/bin", "FIRSTHOUR_DATABASE": "postgresql://db"}
    forget_libpq(environment)
    assert environment == {"PATH": "/bin", "FIRSTHOUR_DATABASE": "postgresql://db"}


OURS = "postgresql://firsthour:made-at-the-first-start@127.0.0.1:15432/firsthour"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("postgresql://127.0.0.1:15432/firsthour", OURS),
        ("postgresql://127.0.0.1:15433/firsthour", None),
        ("postgresql://db.example.com:15432/firsthour", None),
        ("postgresql://127.0.0.1:15432/another", None),
        ("postgresql://me@127.0.0.1:15432/firsthour", None),
        ("postgresql://me:secret@127.0.0.1:15432/firsthour", None),
    ],
)
def test_what_run_left_is_for_its_own_database_alone(tmp_path: Path, given: str, found: str | None) -> None:
    assert with_state_password(given, tmp_path) == given
    (tmp_path / STATE_FILE).write_text(f"{OURS}\n")
    assert with_state_password(given, tmp_path) == (found or given)


@pytest.mark.parametrize("left", [None, "", "\n", "nonsense", "postgresql://[half", "\udcff"])
def test_a_file_that_holds_no_url_says_nothing(left: str | None, tmp_path: Path) -> None:
    if left is not None:
        (tmp_path / STATE_FILE).write_bytes(left.encode(errors="surrogateescape"))
    assert state_url(tmp_path) is None
    assert with_state_password("postgresql://here/db", tmp_path) == "postgresql://here/db"
    assert load(Settings, state=tmp_path).database_url() == "postgresql://127.0.0.1:15432/firsthour"


def test_without_a_setting_it_is_the_database_of_run_on_whatever_port(tmp_path: Path) -> None:
    left = "postgresql://firsthour:a-long-word@127.0.0.1:4711/firsthour"
    (tmp_path / STATE_FILE).write_text(f"{left}\n")
    assert load(Settings, state=tmp_path).database_url() == left
    assert "a-long-word" not in repr(load(Settings, state=tmp_path))
    assert load(Settings, state=tmp_path, database="postgresql://db/mine").database_url() == "postgresql://db/mine"
