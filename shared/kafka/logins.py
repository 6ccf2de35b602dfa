"""Who may log in to a broker of ours, by SCRAM: told to its controller, which keeps it among the broker's own data.

A fresh broker knows nobody, and the data of an older version hold no logins. So its controller has a listener of its
own with one user, whose password is in the broker's settings (PLAIN), and who tells it all the logins at each start.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from aiokafka.conn import create_conn
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from shared.errors import FirsthourError
from shared.kafka.access import Access, Mechanism
from shared.secrets import write_private

MECHANISM: Final[Mechanism] = "SCRAM-SHA-512"
_SHA_512: Final = 2
_ITERATIONS: Final = 4096  # Kafka's least; more are for passwords that people think of
_TIMEOUT_MS: Final = 5000


class LoginsUnreadable(FirsthourError):  # noqa: N818 - reads as what happened
    """The file of the logins cannot be used; the message says which."""


@dataclass(frozen=True, slots=True)
class Logins:
    """The password of each user, and the controller's address and access, by which it hears of them."""

    controller: str  # host:port
    access: Access
    passwords: Mapping[str, str] = field(repr=False)


def write_logins(path: Path, logins: Logins) -> None:
    """Leave them in a file that its owner alone can read."""
    said = {
        "controller": logins.controller,
        "user": logins.access.user,
        "password": logins.access.password,
        "logins": dict(logins.passwords),
    }
    write_private(path, json.dumps(said) + "\n")


def read_logins(path: Path) -> Logins:
    """What `write_logins` left. Raises LoginsUnreadable."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Logins(said["controller"], Access(said["user"], said["password"], "PLAIN"), dict(said["logins"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LoginsUnreadable(f"cannot read the logins for Kafka in {path}: {type(error).__name__}") from None


async def make_known(logins: Logins) -> None:
    """Set the password of each user; of one that is there, anew. Safe to repeat. Raises KafkaError or OSError."""
    host, _, port = logins.controller.rpartition(":")
    connection = await create_conn(host, int(port), request_timeout_ms=_TIMEOUT_MS, **logins.access.arguments())
    try:
        answer: Any = await connection.send(_SetPasswords(logins.passwords))
    finally:
        await connection.close()
    for user, code, message, _ in answer.results:
        if code:
            raise for_code(code)(f"Kafka does not take the login of {user}: {message or ''}")


class _SetPasswordsAnswer(Response):  # type: ignore[misc] # the package has no types here
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


def _named(*fields: tuple[str, Any]) -> Array:
    return CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), *fields, ("tags", TaggedFields))


class _SetPasswordsRequest(RequestStruct):  # type: ignore[misc] # the package has no types here
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _SetPasswordsAnswer
    SCHEMA = Schema(
        ("deletions", _named()),
        ("upsertions", _named(("iterations", Int32), ("salt", CompactBytes), ("salted_password", CompactBytes))),
        ("tags", TaggedFields),
    )


class _SetPasswords(Request[_SetPasswordsRequest]):  # type: ignore[misc] # the package has no types here
    """AlterUserScramCredentials, which the library does not have. Kafka sees what SCRAM keeps, not the passwords."""

    API_KEY: ClassVar[int] = _SetPasswordsRequest.API_KEY

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = passwords

    def build(self, request_struct_class: type[_SetPasswordsRequest]) -> _SetPasswordsRequest:
        """The request as it goes over the wire."""
        return request_struct_class([], [_kept(user, word) for user, word in self._passwords.items()], {})


def _kept(user: str, password: str) -> tuple[str, int, int, bytes, bytes, dict[int, bytes]]:
    """What the broker keeps of a password (RFC 5802, section 3)."""
    salt = secrets.token_bytes(32)
    return user, _SHA_512, _ITERATIONS, salt, hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS), {}
