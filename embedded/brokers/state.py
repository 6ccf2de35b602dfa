"""The state folder of one installation on this machine: its lock and its layout.

lock                a running `firsthour run` holds it
run/, logs/         pid files and logs of the children
kafka/, postgres/   their data
cache/              Kafka's jars, where the user has no cache folder
postgres-password   mode 0600, like database-url, kafka-access.json, and the files of shared/secrets.py
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from shared.errors import FirsthourError
from shared.kafka.access import OPEN, STATE_FILE, Access, as_state_file, state_access
from shared.kafka.logins import MECHANISM
from shared.kafka.rights import USERS
from shared.secrets import write_private

_KAFKA_USER: Final = "firsthour"
_PASSWORD: Final = "postgres-password"  # noqa: S105 - a file's name


class StateInUse(FirsthourError):  # noqa: N818 - reads as what happened
    """Another process works with this state folder."""


class StateUnusable(FirsthourError):  # noqa: N818 - reads as what happened
    """The state folder, or what is in it, cannot be used; the message says what to do."""


@contextmanager
def locked(state: Path) -> Iterator[Path]:
    """Make the folder and hold its lock; yields its absolute path. Raises StateInUse or StateUnusable.

    The lock ends with the process that holds it, however that ends: it is never stale.
    """
    folder = state.absolute()
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            # Root's Postgres runs as another user, who has to enter; private files in here have their own mode.
            folder.chmod(0o711 if os.geteuid() == 0 else 0o700)  # whatever the umask
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StateUnusable(f"cannot use the state folder {state}: {error.strerror}; name another by --state") from None
    with os.fdopen(descriptor, "r+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateInUse(
                f"another `firsthour run` (pid {lock.read().strip() or 'unknown'}) uses {state}: "
                "stop it, or give this one its own folder by --state"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield folder
        lock.truncate(0)


def kafka_access(state: Path, bootstrap: str) -> tuple[Access, dict[str, str]]:
    """Who may use the broker at that address: the one who may do everything, and the password of each service.

    All are made at the first start, and stay.
    """
    path = state / STATE_FILE
    known: dict[str, Any] = {}
    access = OPEN
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        access = state_access(state, str(known["bootstrap"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    services = known.get("services", {}) if access.password else {}
    password = access.password or secrets.token_urlsafe(24)
    access = Access(_KAFKA_USER, password, MECHANISM)  # also where an older version logged in otherwise
    passwords = {name: str(services.get(name) or secrets.token_urlsafe(24)) for name in USERS}
    write_private(path, as_state_file(bootstrap, access, passwords))
    return access, passwords


def postgres_password(state: Path) -> tuple[str, bool]:
    """The database's password, and whether it is new."""
    path = state / _PASSWORD
    try:
        known = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        known = ""
    if known:
        return known, False
    made = secrets.token_urlsafe(24)
    write_private(path, made + "\n")
    return made, True
