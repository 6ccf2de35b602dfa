"""A child process that dies with its parent, and the leftovers of a run that was killed.

Each child has its own session, so that Ctrl-C in the terminal reaches the supervisor alone, and a pid file in
`<state>/run`. On Linux the kernel signals the child when its parent dies; elsewhere the next start finds the pid file.
"""

import asyncio
import contextlib
import ctypes
import functools
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from shared.errors import FirsthourError

_POLL_S: Final = 0.02
_PR_SET_PDEATHSIG: Final = 1
_LOG_LIMIT: Final = 10_000_000
_SAME_START_S: Final = 2.0  # the clock may have been set between two readings of one process


class ProcessDied(FirsthourError):  # noqa: N818 - reads as what happened
    """A child ended before it was ready; `log` is the end of its output."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, slots=True)
class User:
    """The account of the system that a child runs as."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `name` names its log and its pid file; `environment` is complete."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    user: User | None = field(default=None)


class Child:
    """One running (or ended) child. Bound to no event loop; not for concurrent use."""

    def __init__(self, command: Command, state: Path) -> None:
        self.command = command
        self.log_path = state / "logs" / f"{command.name}.log"
        self._pid_path = _pid_folder(state) / f"{command.name}.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process id since the last start."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before its start; negative: the signal that ended it."""
        return self._process.poll() if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Raises ProcessDied when it cannot be executed."""
        assert not self.alive
        for folder in (self.log_path.parent, self._pid_path.parent):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)  # readable by our user only, also if an older version made it
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_LIMIT:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        try:
            self._process = _spawner().submit(self._spawn).result()
        except OSError as error:
            raise ProcessDied(f"{self.command.name} cannot be started: {error}", "") from None
        with contextlib.suppress(psutil.NoSuchProcess):
            note = {
                "pid": self._process.pid,
                "created": psutil.Process(self._process.pid).create_time(),
                "arguments": self.command.arguments,
                "signal": int(self.command.stop_signal),
            }
            self._pid_path.write_text(json.dumps(note), encoding="utf-8")

    def _spawn(self) -> subprocess.Popen[bytes]:
        user = self.command.user
        with self.log_path.open("ab") as log, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+ on forks beside threads: see _dying_with
            self._log_start = log.tell()
            return subprocess.Popen(  # noqa: S603 - our own commands only
                self.command.arguments,
                env=dict(self.command.environment),
                cwd=self.command.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user.uid if user else None,
                group=user.gid if user else None,
                extra_groups=[] if user else None,
                preexec_fn=_dying_with(os.getpid(), self.command.stop_signal),  # noqa: PLW1509 - see there
            )

    async def ended(self) -> int:
        """Wait until it has ended; its exit code."""
        while (code := self.exit_code) is None:
            await asyncio.sleep(_POLL_S)
        return code

    async def stop(self, deadline_s: float) -> None:
        """Ask it to stop; kill it after the deadline."""
        if self._process is None:
            return
        if self.alive:
            self._process.send_signal(self.command.stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended(), deadline_s)
        self.kill()

    def kill(self) -> None:
        """Kill it and everything in its session (SIGKILL)."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._pid_path.unlink(missing_ok=True)

    def tail(self, lines: int = 15) -> str:
        """The last lines logged since this start."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(self._log_start, self.log_path.stat().st_size - 64_000))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""


@functools.cache
def _spawner() -> ThreadPoolExecutor:
    """The thread that forks every child: the kernel's "parent" is the forking thread, so it must live to the end."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def _dying_with(parent: int, number: signal.Signals) -> Callable[[], None] | None:
    """What the child does between fork and exec: ask for a signal when its parent dies. Two system calls, no locks."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # the parent died in between
            os._exit(1)

    return ask


def _pid_folder(state: Path) -> Path:
    return state / "run"


async def stop_leftovers(state: Path, deadline_s: float = 30.0) -> list[str]:
    """Stop what a killed run left running in this state; return the names.

    A pid file counts only if the process has the recorded start time and command.
    """
    found = []
    for path in sorted(_pid_folder(state).glob("*.pid")):
        process = _left(path)
        if process is not None:
            found.append(path.stem)
            await _end(process, _note(path).get("signal", signal.SIGTERM), deadline_s)
        path.unlink(missing_ok=True)
    return found


def _note(path: Path) -> dict[str, Any]:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _left(path: Path) -> psutil.Process | None:
    note = _note(path)
    try:
        process = psutil.Process(note["pid"])
        same = (
            abs(process.create_time() - note["created"]) < _SAME_START_S
            and process.cmdline() == note["arguments"]
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except (KeyError, psutil.Error):
        return None
    return process if same else None


async def _end(process: psutil.Process, number: int, deadline_s: float) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        process.send_signal(number)
        end = loop.time() + deadline_s
        while any(_runs(member) for member in family):
            if loop.time() > end:
                for member in family:
                    with contextlib.suppress(psutil.Error):
                        member.kill()
                end = loop.time() + deadline_s
            await asyncio.sleep(_POLL_S)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
