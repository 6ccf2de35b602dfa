"""Secrets: only ever references in the configuration (`env:NAME`, `file:/path`), values from outside.

For a first start on one machine, `firsthour setup` makes a value for each secret that the configuration names
and the environment does not set, in `<state>/secrets.env` (mode 0600). The environment always wins.
"""

import base64
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from shared.errors import FirsthourError

ADMIN_TOKEN = "admin-token"  # noqa: S105 - a file's name
KEY_SECRET = "key-secret"  # noqa: S105 - a file's name
SECRETS_FILE = "secrets.env"


class MissingSecret(FirsthourError):  # noqa: N818 - reads as what happened
    """A reference that cannot be resolved; the message says what to set, never a value."""


def is_reference(text: str) -> bool:
    """Whether the text is `env:NAME` or `file:/path`."""
    return text.startswith(("env:", "file:"))


def resolve(
    reference: str, environment: Mapping[str, str], state: Path | None = None, *, made_by_setup: bool = True
) -> str:
    """The secret's value. Raises MissingSecret when it is not set, or when the text is no reference at all.

    `made_by_setup`: whether `firsthour setup` would generate it, so that the message can say so.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = environment.get(name) or (read_state_secrets(state).get(name) if state else None)
        if not value:
            hint = " (`firsthour setup` makes one)" if made_by_setup else ""
            raise MissingSecret(f"the environment variable {name} is not set{hint}")
        return value
    if kind == "file":
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise MissingSecret(f"cannot read the file {name}: {error.strerror}") from None
    raise MissingSecret("write a secret as a reference (env:NAME or file:/path), never as its value")


def read_state_secrets(state: Path) -> dict[str, str]:
    """What `<state>/secrets.env` holds: `NAME=value` lines. Empty when there is no such file."""
    path = state / SECRETS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def ensure_state_secrets(state: Path, names: Iterable[str]) -> dict[str, str]:
    """Generate a value for each name that neither the environment nor the state's file has; return the file's.

    Names that end in `_SECRET` get a Standard Webhooks secret (`whsec_…`), the others a write key (`fh_…`).
    """
    known = read_state_secrets(state)
    missing = sorted({name for name in names if name not in known and not os.environ.get(name)})
    if missing:
        made = {name: _made(name) for name in missing}
        known |= made
        text = "".join(f"{name}={value}\n" for name, value in sorted(known.items()))
        header = "# Made by `firsthour setup` for this machine. The environment wins over this file.\n"
        write_private(state / SECRETS_FILE, header + text)
    return known


def _made(name: str) -> str:
    if name.endswith("_SECRET"):
        return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return "fh_" + secrets.token_urlsafe(24)


def ensure_admin_token(state: Path) -> str:
    """The token for every read and operate API of this state, generated at the first call."""
    return _ensure(state / ADMIN_TOKEN, "fha_" + secrets.token_urlsafe(32))


def ensure_key_secret(state: Path) -> str:
    """The secret of the partition key hash. It must never change while events are in Kafka."""
    return _ensure(state / KEY_SECRET, secrets.token_hex(32))


def _ensure(path: Path, fresh: str) -> str:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        value = ""
    if value:
        return value
    write_private(path, fresh + "\n")
    return fresh


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
