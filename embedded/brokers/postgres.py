"""Postgres as a child process, on the loopback address only, with a password of its own."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from embedded.brokers.memory import megabytes
from embedded.brokers.ports import LOOPBACK, free_port
from embedded.brokers.postgres_home import VERSION, Home, find_home
from embedded.brokers.process import Child, Command, ProcessDied
from embedded.brokers.state import StateUnusable, postgres_password
from shared.db.database_url import STATE_FILE
from shared.secrets import write_private

DATABASE: Final = "firsthour"
USER: Final = "firsthour"
_START_S: Final = 60.0
_STOP_S: Final = 30.0
_POLL_S: Final = 0.02


Say = Callable[[str], None]
"""Called with what is being done, in a few words."""


class Postgres:
    """The database server of a state folder. It may be started, killed and stopped repeatedly: its port stays."""

    def __init__(self, state: Path, port: int = 0, *, fsync: bool = True) -> None:
        self._state = state
        self._fsync = fsync
        self.port = port or free_port()
        self._password = ""
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The URL of the database `firsthour`, as superuser. Only after the first start."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The URL of any database of the server."""
        return f"postgresql://{USER}:{self._password}@{LOOPBACK}:{self.port}/{database}"

    @property
    def child(self) -> Child | None:
        """The process started last."""
        return self._child

    async def start(self, say: Say = lambda _text: None) -> None:
        """Return when it answers and the database exists. Raises StateUnusable or ProcessDied."""
        home = await asyncio.to_thread(find_home, self._state)
        self._password, new_password = postgres_password(self._state)
        write_private(self._state / STATE_FILE, f"{self.url}\n")
        if not (home.data / "PG_VERSION").exists():
            say("making its folder")
            await self._init(home)
        elif new_password:
            await self._set_password(home)
        _check_version(home.data)
        await _remove_stale_pid_file(home.data)
        say("starting")
        self._child = await self._started(home)

    async def stop(self) -> None:
        """Shut down cleanly: open transactions are rolled back, everything is on disk."""
        if self._child:
            await self._child.stop(_STOP_S)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        assert self._child
        self._child.kill()

    async def _init(self, home: Home) -> None:
        """Create the data folder atomically: under another name first."""
        draft = home.data.with_name(f"{home.data.name}.new")
        secret = home.data.with_name(f"{home.data.name}.password")
        for folder in (draft, home.data):
            if folder.exists():  # left by a killed start; without PG_VERSION it holds no database
                shutil.rmtree(folder)
        draft.mkdir(mode=0o700)
        secret.touch(mode=0o600)
        secret.write_text(f"{self._password}\n", encoding="utf-8")
        if home.user:
            os.chown(draft, home.user.uid, home.user.gid)
            os.chown(secret, home.user.uid, home.user.gid)
        options = (
            f"--pgdata={draft}", f"--username={USER}", f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8",
            # Postgres' own collation, so that an update of the C library cannot break an index.
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            *(() if self._fsync else ("--no-sync",)),
        )  # fmt: skip
        try:
            await self._run_to_end(home, "postgres-init", str(home.programs / "initdb"), *options)
        finally:
            secret.unlink()
        draft.rename(home.data)

    async def _set_password(self, home: Home) -> None:
        """The password file is gone but the data exist: set a new password in single-user mode."""
        statement = f"ALTER ROLE {USER} PASSWORD '{self._password}'\n"
        process = await asyncio.create_subprocess_exec(
            str(home.programs / "postgres"), "--single", "-D", str(home.data), "postgres",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            cwd=home.data, env=_environment(), user=home.user.uid if home.user else None,
            group=home.user.gid if home.user else None, extra_groups=[] if home.user else None,
        )  # fmt: skip
        _out, errors = await process.communicate(statement.encode())
        if process.returncode:
            raise ProcessDied("Postgres cannot set a new password", errors.decode(errors="replace"))

    def _command(self, home: Home, name: str, *arguments: str) -> Command:
        return Command(
            name, arguments, _environment(), folder=home.data.parent if home.data.exists() else None,
            stop_signal=signal.SIGINT,  # "fast": does not wait for clients
            user=home.user,
        )  # fmt: skip

    async def _run_to_end(self, home: Home, name: str, *arguments: str) -> None:
        child = Child(self._command(home, name, *arguments), self._state)
        child.start()
        try:
            code = await asyncio.wait_for(child.ended(), _START_S)
        finally:
            child.kill()
        if code:
            raise ProcessDied("Postgres cannot make its folder", child.tail())

    async def _started(self, home: Home) -> Child:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": f"{megabytes(256, share=1 / 8)}MB",
            "effective_cache_size": f"{megabytes(1024, share=1 / 2)}MB",
            "random_page_cost": 1.1,
            "jit": "off",  # statements are many and short
            "synchronous_commit": "on",
            "fsync": "on" if self._fsync else "off",
            "full_page_writes": "on" if self._fsync else "off",
            # Its pglz takes 50 µs for each page first touched since a checkpoint, so most of what an event of one among
            # millions takes: every one of them is on pages of its own.
            "wal_compression": "off",
            "max_wal_size": "2GB",
            "checkpoint_timeout": "15min",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
            # No personal data in the log: neither statements nor the details of a broken constraint.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        child = Child(
            self._command(home, "postgres", str(home.programs / "postgres"), "-D", str(home.data), *options),
            self._state,
        )
        loop = asyncio.get_running_loop()
        end = loop.time() + _START_S
        child.start()
        while not await self._answers():
            if loop.time() > end:
                child.kill()
                raise ProcessDied(f"Postgres does not answer within {_START_S:.0f} s", child.tail())
            if not child.alive:
                log = child.tail()
                if "still in use" not in log:
                    raise ProcessDied(f"Postgres ended while it started; its log is {child.log_path}", log)
                child.start()  # the last children of a killed server are still exiting
            await asyncio.sleep(_POLL_S)
        return child

    async def _answers(self) -> bool:
        """Whether it accepts connections; creates our database if it does not exist."""
        try:
            conn = await _connect(self.url)
        except asyncpg.InvalidCatalogNameError:
            conn = await _connect(self.url_of("postgres"))
            try:
                with suppress(asyncpg.DuplicateDatabaseError):
                    await conn.execute(f"CREATE DATABASE {DATABASE}")
            finally:
                await conn.close()
            return True
        except asyncpg.InvalidPasswordError:
            raise StateUnusable(
                f"the database does not accept the password in {self._state / 'postgres-password'}; "
                "remove that file and start again: a new one is set"
            ) from None
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await conn.close()
        return True


async def _connect(url: str) -> asyncpg.Connection:
    """Every parameter is explicit: asyncpg takes missing ones from the PG* variables of the user's shell."""
    return await asyncpg.connect(
        url, timeout=5, ssl=False, direct_tls=False, target_session_attrs="any", gsslib="gssapi"
    )


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}


def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
    if found != VERSION:
        raise StateUnusable(
            f"{data} is of Postgres {found}, this is Postgres {VERSION}: dump it with the old version (pg_dump), "
            "or name another folder by --state"
        )


async def _remove_stale_pid_file(data: Path) -> None:
    """Postgres trusts its pid file even if another program has that pid by now."""
    path = data / "postmaster.pid"
    try:
        pid = int(path.read_text(encoding="utf-8").splitlines()[0])
    except FileNotFoundError:
        return
    except (ValueError, IndexError):
        path.unlink(missing_ok=True)
        return
    deadline = time.monotonic() + _STOP_S
    while _serves(pid, data):
        if time.monotonic() > deadline:
            raise StateUnusable(
                f"another Postgres (pid {pid}) uses {data}: stop it (`kill -INT {pid}`) and start again"
            )
        with suppress(psutil.Error):
            psutil.Process(pid).send_signal(signal.SIGINT)
        await asyncio.sleep(0.2)
    path.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline()
    except psutil.Error:
        return False
