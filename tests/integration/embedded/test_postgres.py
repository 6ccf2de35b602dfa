"""The embedded Postgres: kept data, a lost password, pid files of the dead, and root's own way."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from embedded.brokers.ports import LOOPBACK
from embedded.brokers.postgres import Postgres
from embedded.brokers.postgres_home import VERSION, check_named, find_home, passable
from embedded.brokers.process import ProcessDied, User
from embedded.brokers.state import StateUnusable
from tests.support.stack import reachable_folder

AS_ROOT = os.geteuid() == 0
ONLY_ROOT = pytest.mark.skipif(not AS_ROOT, reason="only root has another account's Postgres")


@pytest.fixture
def state() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


@asynccontextmanager
async def running(state: Path) -> AsyncIterator[Postgres]:
    postgres = Postgres(state, fsync=False)
    try:
        await postgres.start()
        yield postgres
    finally:
        await postgres.stop()


async def one(url: str, statement: str) -> object:
    conn = await asyncpg.connect(url)
    try:
        return await conn.fetchval(statement)
    finally:
        await conn.close()


async def test_it_finds_its_data_again_also_after_a_crash(state: Path) -> None:
    async with running(state) as postgres:
        assert postgres.url.endswith(f"@{LOOPBACK}:{postgres.port}/firsthour")
        await one(postgres.url, "CREATE TABLE kept (n int)")
        await one(postgres.url, "INSERT INTO kept VALUES (7)")
        postgres.kill()
        await postgres.start()
        assert await one(postgres.url, "SELECT n FROM kept") == 7
    async with running(state) as postgres:
        assert await one(postgres.url, "SELECT n FROM kept") == 7


async def test_it_is_closed_to_who_has_no_password_and_to_other_machines(state: Path) -> None:
    async with running(state) as postgres:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await one(f"postgresql://firsthour:wrong@{LOOPBACK}:{postgres.port}/firsthour", "SELECT 1")
        assert postgres.child
        assert postgres.child.pid
        sockets = psutil.Process(postgres.child.pid).net_connections(kind="all")
        listening = {each.laddr for each in sockets if each.status == psutil.CONN_LISTEN or each.family == 1}
        assert listening == {(LOOPBACK, postgres.port)}
        assert (state / "postgres-password").stat().st_mode & 0o777 == 0o600
        settings = {
            name: await one(postgres.url, f"SHOW {name}")
            for name in ("max_connections", "synchronous_commit", "shared_buffers", "timezone")
        }
        assert settings == {
            "max_connections": "200", "synchronous_commit": "on", "shared_buffers": "256MB", "timezone": "UTC",
        }  # fmt: skip


async def test_statements_and_their_values_stay_out_of_the_log(state: Path) -> None:
    async with running(state) as postgres:
        await one(postgres.url, "CREATE TABLE people (email text PRIMARY KEY)")
        await one(postgres.url, "INSERT INTO people VALUES ('ada@example.com')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await one(postgres.url, "INSERT INTO people VALUES ('ada@example.com')")
        assert postgres.child
        log = postgres.child.log_path.read_text()
    assert "violates unique constraint" in log
    assert "ada@example.com" not in log


async def test_a_lost_password_is_replaced(state: Path) -> None:
    async with running(state) as postgres:
        await one(postgres.url, "CREATE TABLE kept (n int)")
        before = postgres.url
    (state / "postgres-password").unlink()
    async with running(state) as postgres:
        assert postgres.url.split("@")[0] != before.split("@")[0]
        assert await one(postgres.url, "SELECT count(*) FROM kept") == 0


@pytest.mark.parametrize("content", ["{pid}\n{data}\n", "", "not a number\n", "99999999\n"])
async def test_a_stale_pid_file_is_no_obstacle(state: Path, content: str) -> None:
    async with running(state):
        pass
    stale = state / "postgres" / "postmaster.pid"
    stale.write_text(content.format(pid=os.getpid(), data=state / "postgres"))  # this process lives, but is no Postgres
    async with running(state) as postgres:
        assert await one(postgres.url, "SELECT 1") == 1


async def test_a_server_that_nobody_watches_any_more_is_stopped_first(state: Path) -> None:
    async with running(state) as forgotten:
        await one(forgotten.url, "CREATE TABLE kept (n int)")
        async with running(state) as postgres:
            assert await one(postgres.url, "SELECT count(*) FROM kept") == 0
            assert forgotten.child
            assert not forgotten.child.alive


async def test_a_start_that_was_killed_half_way_is_begun_anew(state: Path) -> None:
    for name in ("postgres", "postgres.new"):
        (state / name).mkdir()
        (state / name / "half").write_text("of a file")
    async with running(state) as postgres:
        assert await one(postgres.url, "SELECT 1") == 1
    assert not (state / "postgres.new").exists()


async def test_data_of_another_version_are_left_alone(state: Path) -> None:
    async with running(state):
        pass
    (state / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(StateUnusable, match=rf"is of Postgres 16, this is Postgres {VERSION}: dump it"):
        await Postgres(state).start()


async def test_what_keeps_it_from_starting_is_in_the_error(state: Path) -> None:
    async with running(state):
        pass
    (state / "postgres" / "postgresql.conf").write_text("nonsense = here\n")
    with pytest.raises(ProcessDied, match="Postgres ended while it started") as death:
        await Postgres(state).start()
    assert 'unrecognized configuration parameter "nonsense"' in death.value.log


def test_an_account_without_a_name_is_told_so() -> None:
    check_named(os.geteuid())
    with pytest.raises(StateUnusable, match="id 2147483000 has none on this machine"):
        check_named(2_147_483_000)


@pytest.mark.parametrize("name", ["$HOME", "`here`", 'the "new" one'])
def test_a_folder_that_a_shell_would_read_is_named(state: Path, name: str) -> None:
    with pytest.raises(StateUnusable, match="install Firsthour elsewhere"):
        find_home(state, programs=state / name / "bin")


@ONLY_ROOT
async def test_root_runs_it_as_somebody_else(state: Path) -> None:
    async with running(state) as postgres:
        assert postgres.child
        assert psutil.Process(postgres.child.pid).uids().real != 0
        assert find_home(state).data == state / "postgres"
        assert (state / "postgres").stat().st_uid == psutil.Process(postgres.child.pid).uids().real


@ONLY_ROOT
async def test_where_the_way_is_closed_root_s_data_lie_outside(state: Path, tmp_path: Path) -> None:
    closed, outside = state / "closed", state / "outside"
    closed.mkdir(mode=0o700)
    home = find_home(closed, outside)
    assert home.user
    assert home.data.is_relative_to(outside)
    assert passable(home.data.parent, home.user)
    assert passable(home.programs, home.user)
    assert find_home(closed, outside).data == home.data, "the next start finds them again"
    async with running(closed) as postgres:
        assert await one(postgres.url, "SELECT 1") == 1
        assert (home.data / "PG_VERSION").exists()
    home.data.rename(tmp_path / "moved")
    home.data.parent.rmdir()
    with pytest.raises(StateUnusable, match="which is gone; remove"):
        find_home(closed, outside)


@ONLY_ROOT
def test_programs_that_the_account_cannot_reach_are_copied_once(state: Path) -> None:
    programs = closed_programs(state)
    first = find_home(state, state / "outside", programs)
    made = first.programs.stat().st_ino
    again = find_home(state, state / "outside", programs)
    assert first.user
    assert first.programs == again.programs
    assert again.programs.stat().st_ino == made, "the copy is made once"
    for program in ("postgres", "initdb"):
        assert f"PostgreSQL) {VERSION}." in version_of(first.programs / program, first.user)


@ONLY_ROOT
def test_a_copy_that_does_not_run_is_replaced_and_halves_are_swept(state: Path) -> None:
    programs, outside = closed_programs(state), state / "outside"
    home = find_home(state, outside, programs)
    assert home.user
    for library in home.programs.parent.parent.parent.glob("*.libs/*"):
        library.unlink()
    (home.programs / "initdb").write_bytes(b"broken")
    half = outside / ".programs-killed"
    half.mkdir()
    again = find_home(state, outside, programs)
    assert f"PostgreSQL) {VERSION}." in version_of(again.programs / "initdb", home.user)
    assert not half.exists()


@ONLY_ROOT
def test_programs_that_do_not_run_are_not_kept(state: Path) -> None:
    programs, outside = closed_programs(state), state / "outside"
    (programs / "initdb").write_bytes(b"broken")
    with pytest.raises(StateUnusable, match=r"cannot run the copy of Postgres' programs .* initdb"):
        find_home(state, outside, programs)
    assert [path.name for path in outside.iterdir()] == [".lock"]


def closed_programs(state: Path) -> Path:
    """The programs of a package that only root can reach, with the libraries that lie beside it."""
    closed = state / "closed"
    install = find_home(state).programs.parent
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    shutil.copytree(install, closed / install.parent.name / install.name, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name, symlinks=True)
    closed.chmod(0o700)
    return closed / install.parent.name / install.name / "bin"


def version_of(program: Path, user: User) -> str:
    done = subprocess.run(
        [program, "--version"], user=user.uid, group=user.gid, extra_groups=[], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout


def test_who_may_pass_through_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    stranger = User(54321, 54321, "stranger")
    myself = pwd.getpwuid(os.geteuid())
    folder.chmod(0o700)
    assert not passable(folder, stranger)
    assert passable(folder, User(myself.pw_uid, myself.pw_gid, myself.pw_name))


START = """
import asyncio, sys
from pathlib import Path
from embedded.brokers.stack import Stack
from embedded.supervisor.run_options import RunOptions
from embedded.supervisor.service_children import environment
async def main():
    stack = Stack.of(Path(sys.argv[1]))
    try:
        await stack.postgres.start()
        options = RunOptions(state=Path(sys.argv[1]))
        print([name for name in environment(options, options.chosen_ports(), stack) if name.startswith("PG")])
    finally:
        await stack.postgres.stop()
asyncio.run(main())
"""


def test_the_shell_s_own_postgres_variables_change_nothing(state: Path) -> None:
    hostile = {
        "PGHOST": "elsewhere.invalid", "PGPORT": "1", "PGUSER": "nobody", "PGPASSWORD": "wrong", "PGDATABASE": "none",
        "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nowhere", "PGSSLNEGOTIATION": "direct", "PGSERVICE": "other",
        "PGTARGETSESSIONATTRS": "standby", "PGGSSLIB": "none", "PGDATA": "/nowhere",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", START, str(state)], env={**os.environ, **hostile}, cwd=Path(__file__).parents[3],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]", "nor does a service see them"
