"""How a client authenticates with Kafka: user, password and TLS, or nothing where the broker asks for nothing."""

import json
import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

Mechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
# `firsthour run` leaves its broker's address, user and password here for every command that uses its state folder.
STATE_FILE: Final = "kafka-access.json"
# At each connection it warns that PLAIN sends the password in the clear: TLS is a setting, the loopback needs none.
logging.getLogger("aiokafka.conn").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Access:
    """What every client of one Kafka connects with. Without a user: no authentication."""

    user: str = ""
    password: str = field(default="", repr=False)
    mechanism: Mechanism = "SCRAM-SHA-512"
    tls: bool = False

    def arguments(self) -> dict[str, Any]:
        """The arguments of aiokafka's clients."""
        protocol = ("SASL_" if self.user else "") + ("SSL" if self.tls else "PLAINTEXT")
        given: dict[str, Any] = {"security_protocol": protocol}
        if self.tls:
            given["ssl_context"] = ssl.create_default_context()
        if self.user:
            given |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return given


OPEN: Final = Access()
"""To a broker that asks for nothing: the tests' own, or one behind a network of its own."""


def state_access(state: Path, bootstrap: str) -> Access:
    """The access that `firsthour run` left in the state folder, if it is for this very address; else none."""
    try:
        said = json.loads((state / STATE_FILE).read_text(encoding="utf-8"))
        if said["bootstrap"] != bootstrap:
            return OPEN
        return Access(said["user"], said["password"], said["mechanism"])
    except (OSError, ValueError, KeyError, TypeError):
        return OPEN


def as_state_file(bootstrap: str, access: Access) -> str:
    """What `state_access` reads."""
    said = {"bootstrap": bootstrap, "user": access.user, "password": access.password, "mechanism": access.mechanism}
    return json.dumps(said) + "\n"
