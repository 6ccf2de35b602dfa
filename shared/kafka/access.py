"""How a client authenticates with Kafka: user, password and TLS, or nothing where the broker asks for nothing."""

import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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


def state_bootstrap(state: Path) -> str | None:
    """The address of the broker of `firsthour run`, as it left it in the state folder."""
    try:
        return str(json.loads((state / STATE_FILE).read_text(encoding="utf-8"))["bootstrap"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def state_access(state: Path, bootstrap: str, user: str = "") -> Access:
    """The access that `firsthour run` left in the state folder, if it is to this very address; else none.

    `user`: a service, which has a login of its own with the rights that it needs; else, or where it has none, the one
    that may do everything.
    """
    try:
        said = json.loads((state / STATE_FILE).read_text(encoding="utf-8"))
        if said["bootstrap"] != bootstrap:
            return OPEN
        whole = Access(said["user"], said["password"], said["mechanism"])
        own = said.get("services", {}).get(user)
        return whole if own is None else replace(whole, user=user, password=str(own))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return OPEN


def as_state_file(bootstrap: str, access: Access, services: Mapping[str, str]) -> str:
    """What `state_access` reads. `services`: the password of each that has a login of its own."""
    said = {
        "bootstrap": bootstrap,
        "user": access.user,
        "password": access.password,
        "mechanism": access.mechanism,
        "services": dict(services),
    }
    return json.dumps(said) + "\n"
