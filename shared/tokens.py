"""Tokens beside the admin token: a file of hashes that every service reads, also ingest, which has no database.

By default `<state>/tokens.json`, mode 0600; with several machines, the same file on each as a mounted secret. A token
is shown once, when it is made. Changes and revocations apply from the next request on.
"""

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from shared import log
from shared.errors import FirsthourError
from shared.secrets import write_private

Scope: TypeAlias = Literal["read", "operate", "admin"]

TOKENS_FILE: Final = "tokens.json"
_PREFIX: Final = "fht"
_LOG = log.get(__name__)


class TokensUnreadable(FirsthourError):  # noqa: N818 - reads as what happened
    """The file of the tokens cannot be read as one."""


class Token(Struct, frozen=True):
    """A token by its hash (SHA-256, hexadecimal). `pii`: it may see e-mail addresses, phone numbers and names."""

    id: str
    name: str
    scope: Scope
    pii: bool
    hash: str
    created: datetime


class Actor(NamedTuple):
    """Who writes: the person that `Firsthour-Actor` names, else the token's name; and by which token."""

    name: str
    token: str


_DECODER: Final = msgspec.json.Decoder(list[Token])


def read(path: Path) -> list[Token]:
    """All tokens of the file; none when there is no file. Raises TokensUnreadable."""
    try:
        return _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        raise TokensUnreadable(f"{path} cannot be read as tokens ({type(error).__name__})") from None


def create(path: Path, name: str, scope: Scope, *, pii: bool, now: datetime) -> str:
    """Make a token and return it: it is shown this once. The admin scope includes `pii`. Raises TokensUnreadable."""
    identifier, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    text = f"{_PREFIX}_{identifier}_{secret}"
    token = Token(identifier, name, scope, pii or scope == "admin", _hash(text), now)
    with _alone(path):
        _write(path, [*read(path), token])
    return text


def revoke(path: Path, identifier: str) -> bool:
    """Take a token away; whether there was one with this id. Raises TokensUnreadable."""
    with _alone(path):
        tokens = read(path)
        left = [each for each in tokens if each.id != identifier]
        if len(left) != len(tokens):
            _write(path, left)
    return len(left) != len(tokens)


class TokenFile:
    """The tokens as a service looks them up: read again when the file has changed."""

    def __init__(self, path: Path) -> None:
        """Nothing is read before it is asked."""
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._tokens: dict[str, Token] = {}

    def find(self, text: str) -> Token | None:
        """The token with this text, if there is one."""
        prefix, _, rest = text.partition("_")
        if prefix != _PREFIX:
            return None
        self._refresh()
        token = self._tokens.get(rest.partition("_")[0])
        return token if token is not None and hmac.compare_digest(token.hash, _hash(text)) else None

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            seen = None
        if seen == self._seen:
            return
        try:
            self._tokens = {each.id: each for each in read(self._path)}
        except TokensUnreadable as error:  # an unreadable file lets nobody in
            self._tokens = {}
            _LOG.error("tokens_unreadable", reason=str(error))
        self._seen = seen


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _write(path: Path, tokens: Sequence[Token]) -> None:
    write_private(path, msgspec.json.format(msgspec.json.encode(tokens), indent=1).decode() + "\n")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Serialises the commands that change the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
